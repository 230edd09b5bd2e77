"""What a certification says: which promises a board keeps, as JSON for programs and as one HTML file for people."""
import html
import json
import pathlib

# promise: what a maker may print on the box
PROMISES = {
    "updates": "An update, by delta or from a bundle, boots and is confirmed",
    "rollback": "A release that doesn't work is left by itself, and its reason is recorded",
    "power and line": "A power cut or a broken line at any of the tested moments costs nothing but time",
    "state": "A damaged boot state or state partition doesn't cost the device",
    "refusals": "What isn't for this device, or is older than allowed, is refused",
}
STYLE = """body { font: 16px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top }
.kept, .passed { color: #0a5c2b; font-weight: 600 } .broken, .failed, .error { color: #a3140f; font-weight: 600 } .untested, .skipped { color: #5a5a5a }
pre { background: #f3f3f3; padding: .8rem; overflow-x: auto; font-size: .8rem; max-height: 30rem }"""
LOG_BYTES = 200 << 10  # of a failure's console that goes into the report: its end


def judge(outcomes):
    """{promise: "kept", "broken" or "untested"}: kept when at least one scenario passed and none failed."""
    verdicts = {}
    for promise in PROMISES:
        results = [one["result"] for one in outcomes if one["promise"] == promise]
        bad = any(result in ("failed", "error") for result in results)
        verdicts[promise] = "broken" if bad else "kept" if "passed" in results else "untested"
    return verdicts


def as_document(board, outcomes):
    """The JSON report. board: {name, title, …}. outcomes: [Outcome.as_dict()]."""
    verdicts = judge(outcomes)
    return {"board": board, "certified": all(verdict == "kept" for verdict in verdicts.values()),
            "promises": [{"promise": name, "text": PROMISES[name], "verdict": verdict} for name, verdict in verdicts.items()],
            "scenarios": outcomes}


def _log(path):
    data = pathlib.Path(path).read_bytes()[-LOG_BYTES:]
    return html.escape("".join(c for c in data.decode("utf-8", "replace") if c >= " " or c in "\n\t"))


def as_html(document):
    """The same as a page; the consoles of failures are in it."""
    board = document["board"]
    rows = ["<tr><td>%s</td><td class=\"%s\">%s</td></tr>" % (html.escape(one["text"]), one["verdict"], one["verdict"])
            for one in document["promises"]]
    scenarios, logs = [], []
    for one in document["scenarios"]:
        scenarios.append("<tr><td>%s</td><td>%s</td><td class=\"%s\">%s</td><td>%d</td><td>%.0f s</td><td>%s</td></tr>" % (
            html.escape(one["scenario"]), html.escape(one["title"]), one["result"], one["result"], one["boots"], one["seconds"],
            html.escape(one["why"])))
        if one["console"]:
            logs.append("<h2>Console: %s</h2><pre>%s</pre>" % (html.escape(one["scenario"]), _log(one["console"])))
    facts = "".join("<tr><th>%s</th><td>%s</td></tr>" % (html.escape(key), html.escape(str(value))) for key, value in board.items())
    return """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s: certification</title><style>%s</style></head><body><h1>%s: %s</h1>
<table>%s</table><h2>Promises</h2><table><tr><th>promise</th><th>verdict</th></tr>%s</table>
<h2>Scenarios</h2><table><tr><th>name</th><th>what</th><th>result</th><th>boots</th><th>time</th><th>why</th></tr>%s</table>%s</body></html>
""" % (html.escape(board["name"]), STYLE, html.escape(board["title"]), "certified" if document["certified"] else "not certified", facts,
       "".join(rows), "".join(scenarios), "".join(logs))


def write(folder, document):
    """Writes report.json and report.html; returns their paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "report.json", folder / "report.html"
    paths[0].write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    paths[1].write_text(as_html(document), encoding="utf-8")
    return paths
