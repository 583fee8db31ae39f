"""The status page: what went through, what stopping early has saved, and who is up."""

from __future__ import annotations

import html
import time
from typing import Any

from .gateway import Gateway
from .upstreams import health

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "th,td{padding:.2rem .8rem .2rem 0;text-align:left}td.n,th.n{text-align:right}"
    "h1{font-size:1.3rem}h2{font-size:1rem;margin-bottom:0}.down{color:#b00020}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}"
)


def document(gateway: Gateway) -> dict[str, Any]:
    """What the page shows, for programs."""
    metrics = gateway.measure()
    tokens = metrics.by("tokens_total", "kind")
    saved = tokens.get("cancelled", 0)
    names = [n for n in metrics.by("answers_total", "method") if n]
    return {
        "uptime_seconds": round(time.time() - metrics.began),
        "requests": int(metrics.total("requests_total")),
        "active": int(metrics.total("active_requests")),
        "waiting": int(metrics.total("waiting_requests")),
        "client_disconnects": int(metrics.total("cancellations_total")),
        "tokens": {kind: int(count) for kind, count in sorted(tokens.items())},
        "tokens_of_stopped_samples": int(saved),
        "statuses": {k: int(v) for k, v in sorted(metrics.by("requests_total", "status").items())},
        "methods": [_method(metrics, name) for name in sorted(names)],
        "upstreams": [
            {
                "model": name,
                "url": replica.url,
                "up": health.works(replica),
                "outstanding": replica.outstanding,
                "served": replica.served,
            }
            for name, upstream in gateway.upstreams.items()
            for replica in health.replicas(upstream)
        ],
    }


def _method(metrics: Any, name: str) -> dict[str, Any]:
    """A method's numbers. Agreement stands in for accuracy, which is not known here."""
    cast = metrics.total("votes_total", method=name, kind="cast")
    answers = metrics.total("answers_total", method=name)
    return {
        "method": name,
        "answers": int(answers),
        "unanswered": int(metrics.total("answers_total", method=name, state="unanswered")),
        "partial": int(metrics.total("answers_total", method=name, state="partial")),
        "samples_per_answer": round(metrics.total("samples_total", method=name) / answers, 2),
        "agreement": round(metrics.total("votes_total", method=name, kind="for") / cast, 3) if cast else None,
    }


def page(gateway: Gateway) -> str:
    """The page: no scripts; it fetches itself again every five seconds."""
    shown = document(gateway)
    totals = [
        ("requests", shown["requests"]),
        ("in service", shown["active"]),
        ("waiting", shown["waiting"]),
        ("clients gone early", shown["client_disconnects"]),
        *((f"{kind} tokens", count) for kind, count in shown["tokens"].items()),
    ]
    methods = [
        (
            m["method"],
            m["answers"],
            m["unanswered"],
            m["partial"],
            m["samples_per_answer"],
            "–" if m["agreement"] is None else f"{m['agreement']:.1%}",
        )
        for m in shown["methods"]
    ]
    upstreams = [
        (u["model"], u["url"], "up" if u["up"] else "down", u["outstanding"], u["served"])
        for u in shown["upstreams"]
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>"
        f"<meta name=viewport content='width=device-width'><title>ttscale</title>"
        f"<style>{_STYLE}</style><h1>ttscale gateway</h1>"
        f"<p>up for {shown['uptime_seconds']:,} s</p>"
        + _table("Traffic", ("", "count"), totals)
        + _table(
            "Methods", ("method", "answers", "unanswered", "partial", "samples each", "agreement"), methods
        )
        + _table("Upstreams", ("model", "address", "state", "outstanding", "served"), upstreams)
        + "</html>"
    )


def _table(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<h2>{html.escape(title)}</h2><table><tr>{cells}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f"<td class=n>{value:,}</td>"
    down = " class=down" if value == "down" else ""
    return f"<td{down}>{html.escape(str(value))}</td>"
