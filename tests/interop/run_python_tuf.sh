#!/bin/sh
# usage: run_python_tuf.sh SCRIPT...     by an interpreter that has python-tuf: $PYTHON, else build/venv's, else the system's; 77: there is none
set -eu
venv=$(dirname "$0")/../../build/venv/bin/python
if [ -z "${PYTHON-}" ]; then
	PYTHON=python3
	[ ! -x "$venv" ] || PYTHON=$venv
fi
"$PYTHON" -c 'import securesystemslib, tuf.ngclient' 2>/dev/null || { echo "skipped: $PYTHON has no python-tuf"; exit 77; }
exec "$PYTHON" -B "$@"
