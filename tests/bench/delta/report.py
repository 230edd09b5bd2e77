"""Tells the figures: a line for each pair and tool as they come, and summaries behind."""

HEAD = ("| pair | new bytes | tool | delta bytes | create CPU s | create s | create MiB | apply CPU s | apply s | apply MiB | device bytes |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|")


def print_row(row):
    if not row["right"]:
        print(f"| {row['pair']} | {row['size']:,} | {row['tool']} | {row['outcome']} | | | | | | | |", flush=True)
        return
    figures = " | ".join(f"{row[what]['cpu']:.2f} | {row[what]['elapsed']:.2f} | {row[what]['mib']:.0f}" for what in ("create", "apply"))
    device = f"{row['device']:,}" if "device" in row else ""
    print(f"| {row['pair']} | {row['size']:,} | {row['tool']} | {row['bytes']:,} | {figures} | {device} |", flush=True)


def print_ratios(rows):
    """Ours to the best peer: a part of its bytes; of degenerate cases the difference, as both are next to nothing, or all of the file."""
    product, count = 1.0, 0
    for pair in dict.fromkeys(row["pair"] for row in rows):
        own = [row for row in rows if row["pair"] == pair]
        sizes = {row["tool"]: row["bytes"] for row in own if row["right"]}
        peers = {tool: size for tool, size in sizes.items() if not tool.startswith("decade")}
        if "decade" not in sizes or not peers:
            continue
        best = min(peers, key=peers.get)
        if own[0]["group"] == "degenerate":
            print(f"{pair}: {sizes['decade'] - peers[best]:+,} bytes against the best peer ({best})")
            continue
        print(f"{pair}: {sizes['decade'] / peers[best]:.2f} of the best peer ({best})")
        product, count = product * sizes["decade"] / peers[best], count + 1
    if count:
        print(f"geometric mean of the {count} real ones: {product ** (1 / count):.2f}")


def print_segment_sizes(rows):
    """Bytes against memory on the device: a line for each size, two columns for each pair."""
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    print("\n| segments | " + " | ".join(f"{pair} | device" for pair in pairs) + " |\n|---|" + "---|---|" * len(pairs))
    for tool in dict.fromkeys(row["tool"] for row in rows):
        found = {row["pair"]: row for row in rows if row["tool"] == tool and row["right"]}
        cells = [f"{found[pair]['bytes']:,} | {found[pair]['device'] / 1e6:.1f} MB" if pair in found else "failed | " for pair in pairs]
        print(f"| {tool.removeprefix('decade ')} | " + " | ".join(cells) + " |")


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs > 0 else "-"


def print_against_hdiffz(rows):
    """Creating and applying, ours to its."""
    pairs = [({row["tool"]: row for row in rows if row["pair"] == pair and row["right"]}, pair)
             for pair in dict.fromkeys(row["pair"] for row in rows)]
    pairs = [(found["decade"], found["hdiffz"], pair) for found, pair in pairs
             if all(tool in found and found[tool]["apply_often"] for tool in ("decade", "hdiffz"))]
    if pairs:
        print("\n| decade / hdiffz | create CPU | create time | create MiB | of 3 x image or 256 MiB | apply CPU | apply MiB |\n"
              "|---|---|---|---|---|---|---|")
    for ours, theirs, pair in pairs:
        bound = max(256, 3 * ours["size"] / (1 << 20))
        (made, its), (applied, patched) = ((ours[what], theirs[what]) for what in ("create", "apply_often"))
        print(f"| {pair} | {ratio(made['cpu'], its['cpu'])} | {ratio(made['elapsed'], its['elapsed'])} | {ratio(made['mib'], its['mib'])} | "
              f"{ratio(made['mib'], bound)} | {ratio(applied['cpu'], patched['cpu'])} | {ratio(applied['mib'], patched['mib'])} |")


def print_against_writing(rows):
    """Throughput of applying, as a part of that of writing and hashing alone."""
    rows = [row for row in rows if "writing" in row and row["apply_often"] and None not in row["writing"].values()]
    if rows:
        print("\n| throughput of apply / of | dd and openssl: CPU | time | dd and decade-delta id: CPU | time | time, threads | apply MiB/s |\n"
              "|---|---|---|---|---|---|---|")
    for row in rows:
        apply = row["apply_often"]
        parts = [ratio(row["writing"][name][what], apply[what]) for name in ("dd and openssl", "dd and decade-delta id")
                 for what in ("cpu", "elapsed")]
        threads = row.get("apply_threads")
        parts.append(ratio(row["writing"]["dd and decade-delta id"]["elapsed"], threads["elapsed"]) if threads else "-")
        print(f"| {row['pair']} | {' | '.join(parts)} | {ratio(row['size'] / (1 << 20), apply['elapsed'])} |")


def print_summaries(rows, segment_sizes):
    print()
    if segment_sizes:
        print_segment_sizes(rows)
    print_ratios(rows)
    print_against_hdiffz(rows)
    print_against_writing(rows)
