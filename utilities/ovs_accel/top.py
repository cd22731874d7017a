# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What ovs-accel-top shows: the state of each accel datapath, and rates between
two snapshots of its counters."""


def ratio(a, b):
    return a / b if a is not None and b else None


def percent(a, b):
    share = ratio(a, b)
    return None if share is None else 100 * share


def thread_row(diff, labels):
    def count(name, **more):
        return diff.count("thread_%s_total" % name, **labels, **more)

    def rate(name, **more):
        return diff.rate("thread_%s_total" % name, **labels, **more)

    packets = count("received_packets")
    lookups = count("lookup_packets")
    return {
        "core": labels["core"],
        "numa": labels["numa"],
        "busy_percent": percent(count("cycles", state="busy"),
                                count("cycles")),
        "sleep_percent": percent(count("cycles", state="sleep"),
                                 count("cycles")),
        "packets_per_second": rate("received_packets"),
        "cycles_per_packet": ratio(count("cycles", state="busy"), packets),
        "copies_per_packet": ratio(count("copies"), packets),
        "cache_hit_percent": percent(
            count("lookup_packets", result="cache_hit"), lookups),
        "smc_hit_percent": percent(
            count("lookup_packets", result="smc_hit"), lookups),
        "megaflow_hit_percent": percent(
            count("lookup_packets", result="megaflow_hit"), lookups),
        "misses_per_second": rate("lookup_packets", result="miss"),
        "evictions_per_second": rate("cache_evictions"),
    }


# Where packets are dropped, and the family that counts it.
DROPS = (("received", "port_dropped_packets_total"),
         ("output", "port_output_dropped_packets_total"),
         ("refused", "port_refused_packets_total"))


def port_row(diff, info):
    labels = {"datapath": info["datapath"], "port": info["port"]}

    def rate(name):
        return diff.rate("port_%s_total" % name, **labels)

    drops = [diff.rate(family, **labels) for _, family in DROPS]
    received_bytes = rate("received_bytes")
    sent_bytes = rate("sent_bytes")
    return {
        "port": info["port"],
        "type": info["type"],
        "up": bool(diff.new.value("port_up", **labels)),
        "cores": sorted({its["core"] for its in
                         diff.new.labels("rxq_info", **labels)}),
        "rx_queues": diff.new.value("port_rx_queues", **labels),
        "rx_queues_asleep": diff.new.value("port_rx_queues_asleep", **labels),
        "received_packets_per_second": rate("received_packets"),
        "received_bits_per_second":
            None if received_bytes is None else 8 * received_bytes,
        "sent_packets_per_second": rate("sent_packets"),
        "sent_bits_per_second":
            None if sent_bytes is None else 8 * sent_bytes,
        "drops_per_second":
            None if None in drops[:2] else sum(d for d in drops if d),
    }


def drop_rows(diff, labels):
    """What was dropped ever, most at the moment first."""
    rows = []
    for where, family in DROPS:
        for its, total in diff.new.find(family, **labels):
            if total:
                rows.append({"port": its["port"], "where": where,
                             "reason": its["reason"], "packets": total,
                             "drops_per_second": diff.rate(family, **its)})
    return sorted(rows, key=lambda row: (-(row["drops_per_second"] or 0),
                                         row["port"], row["reason"]))


def datapath_view(diff, name):
    labels = {"datapath": name}
    new = diff.new
    return {
        "datapath": name,
        "flows": new.value("flows", **labels),
        "flow_masks": new.value("flow_masks", **labels),
        "connections": new.value("connections", **labels),
        "upcalls_per_second": diff.rate("upcalls_total", **labels),
        "upcall_lost_packets_per_second":
            diff.rate("upcall_lost_packets_total", **labels),
        "upcall_queued_packets": new.value("upcall_queued_packets", **labels),
        "upcall_threads": new.value("upcall_threads", **labels),
        "threads": [thread_row(diff, its) for its in
                    new.labels("thread_received_packets_total", **labels)],
        "ports": [port_row(diff, info)
                  for info in new.labels("port_info", **labels)],
        "drops": drop_rows(diff, labels),
    }


def view(diff):
    """All that is shown, as JSON takes it.  What is not known is None."""
    return {"seconds": diff.seconds,
            "datapaths": [datapath_view(diff, its["datapath"])
                          for its in diff.new.labels("flows")]}


# Text

def short(number, digits=3):
    """A number in a few characters: 950, 1.25k, 14.9M."""
    if number is None:
        return "-"
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < 999.5 or unit == "T":
            break
        number /= 1000
    if not unit and number == int(number):
        return "%d" % number
    whole = len("%d" % abs(number))
    return "%.*f%s" % (max(0, digits - whole), number, unit)


def share(number):
    return "-" if number is None else "%.1f" % number


def table(columns, rows):
    """Lines of a table.  'columns' are titles, left-aligned if they begin with
    "<"; all cells are strings."""
    titles = [title.lstrip("<") for title in columns]
    widths = [max(len(row[i]) for row in [titles] + rows)
              for i in range(len(columns))]
    return ["  ".join(cell.ljust(width) if column.startswith("<")
                      else cell.rjust(width)
                      for cell, width, column
                      in zip(row, widths, columns)).rstrip()
            for row in [titles] + rows]


def thread_lines(threads):
    return table(
        ["<THREAD", "NUMA", "BUSY%", "SLEEP%", "PKT/S", "CYC/PKT", "COPY/PKT",
         "CACHE%", "SMC%", "MEGAFLOW%", "MISS/S", "EVICT/S"],
        [[t["core"], t["numa"] or "-", share(t["busy_percent"]),
          share(t["sleep_percent"]), short(t["packets_per_second"]),
          short(t["cycles_per_packet"]), short(t["copies_per_packet"]),
          share(t["cache_hit_percent"]), share(t["smc_hit_percent"]),
          share(t["megaflow_hit_percent"]), short(t["misses_per_second"]),
          short(t["evictions_per_second"])] for t in threads])


def port_lines(ports):
    return table(
        ["<PORT", "<TYPE", "<LINK", "<POLLED BY", "ASLEEP", "RX PKT/S", "RX BIT/S",
         "TX PKT/S", "TX BIT/S", "DROP/S"],
        [[printable(p["port"]), p["type"], "up" if p["up"] else "down",
          ",".join(p["cores"]) or "main",
          "%d/%d" % (p["rx_queues_asleep"], p["rx_queues"]),
          short(p["received_packets_per_second"]),
          short(p["received_bits_per_second"]),
          short(p["sent_packets_per_second"]),
          short(p["sent_bits_per_second"]), short(p["drops_per_second"])]
         for p in ports])


def drop_lines(drops):
    return table(
        ["<DROPPED", "<WHERE", "<REASON", "DROP/S", "TOTAL"],
        [[printable(d["port"]), d["where"], d["reason"],
          short(d["drops_per_second"]), short(d["packets"])] for d in drops])


def printable(name):
    """A port's name is what somebody has chosen, and goes to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name)


def lines(shown):
    """Returns view() as pairs: is it a title, and text."""
    result = []
    for dp in shown["datapaths"]:
        result.append((False, "%s: flows %s, masks %s, connections %s; "
                       "upcalls %s/s, lost %s/s, queued %s, threads %s"
                       % (dp["datapath"], short(dp["flows"]),
                          short(dp["flow_masks"]), short(dp["connections"]),
                          short(dp["upcalls_per_second"]),
                          short(dp["upcall_lost_packets_per_second"]),
                          short(dp["upcall_queued_packets"]),
                          short(dp["upcall_threads"]))))
        for rows in (thread_lines(dp["threads"]), port_lines(dp["ports"]),
                     drop_lines(dp["drops"])):
            if len(rows) > 1:
                result.append((False, ""))
                result.append((True, rows[0]))
                result.extend((False, row) for row in rows[1:])
        result.append((False, ""))
    if not shown["datapaths"]:
        result.append((False, "No bridge has datapath_type=accel."))
    return result
