"""Updates that go well, and those that are refused for a reason."""
from .scenario import scenario


@scenario("good-delta", "an update by delta over HTTP boots, is confirmed, and stays", promise="updates", tier="default")
def good_delta(bench):
    """Two updates, so that both slots have been the target."""
    bench.release("1")
    bench.release("2")
    bench.factory()
    full = sum(path.stat().st_size for path in bench.lab.images.images("2").values())
    result = bench.update("A", "1", to="2")
    bench.expect(bench.server.bytes_sent() < full // 4, "%d bytes were sent for images of %d: no delta" % (bench.server.bytes_sent(), full))
    status = bench.comes_up("B", "2")
    bench.expect(status["last"]["outcome"] == "confirmed", "the last outcome is %s" % status["last"])
    bench.tell("sent %d bytes; images %d bytes; %s" % (bench.server.bytes_sent(), full, bench.state()))
    bench.release("3")
    bench.update("B", "2", to="3")
    bench.comes_up("A", "3")
    return result
