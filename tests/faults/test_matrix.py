"""Every fault at every provider it can happen to: what comes of the job, and that it can always be brought home."""

import json
import os
import time
from enum import StrEnum
from pathlib import Path

import pytest

from batchwright.emulator.faults import FAULTS, Operation, Scope, parse_flag
from batchwright.emulator.faults.registry import OPERATIONS
from batchwright.emulator.vendor import Vendor
from batchwright.job import JobState, JobStatus, status_of

CALLS = [
    f"{name},on={operation}"
    for name, kind in FAULTS.items()
    if kind.scope is Scope.CALL
    for operation in kind.where
    if operation is not Operation.LIVE
]
MORE = [
    "hang,on=upload,seconds=0", "hang,on=create,committed=true", "server_error,on=create,committed=true",
    *(f"gateway_error,on=create,status={s}" for s in (503, 504)),
    "gateway_error,on=create,committed=true",
    "rate_limit_seconds,on=create,seconds=130",
    "rate_limit_seconds,on=get,seconds=130",
    "rate_limit_seconds,on=download,seconds=130",
]
REST = [
    *(name for name, kind in FAULTS.items() if kind.scope is not Scope.CALL),
    "late_create,answer=error", "late_create,seconds=600", "list_lag,seconds=600",
    "unknown_status,forever=true", "counts_lie,says=all_succeeded", "error_file_id,says=null",
    "prose_answer,only=true", "wrong_shape,shape=fields",
]


def cells():
    for flag in CALLS + MORE + REST:
        name, _, rest = flag.partition(",")
        for vendor in FAULTS[name].vendors:
            if "on=" in rest and rest.split("on=")[1].split(",")[0] not in OPERATIONS[vendor]:
                continue
            yield flag, str(vendor)


def outcome_of(desk, created):
    records = desk.records
    if desk.complete:
        return "REPAIRED" if "repaired" in desk.log else "RECOVERED"
    words = []
    for r in records:
        words.append(f"{r.state}/{status_of(r)}/em={'Y' if r.error_message else 'n'}/le={'Y' if r.last_error else 'n'}/col={'Y' if r.collected_at else 'n'}")
    return f"exits={[x.code for x in desk.ran]} " + " ; ".join(words) + f" rows={len(desk.answered())}"


@pytest.mark.parametrize(("flag", "provider"), list(cells()))
def test_discover(flag, provider, open_desk):
    t = time.monotonic()
    desk = open_desk(provider)
    name, _, rest = flag.partition(",")
    flag_ = f"{name}:{provider}" + ("," + rest if rest else "")
    (fault,) = parse_flag(flag_)
    op = str(fault.on[0]) if fault.kind.scope is Scope.CALL else None
    faults = [fault]
    if op == "list" or name == "list_lag":
        faults = [*parse_flag(f"drop_after:{provider},on=create,times=1"), fault]
    if op == "cancel":
        desk.behave(in_progress_s=3600)
    desk.emulator.world.set_faults(tuple(faults))
    note = ""
    try:
        desk.create()
        if op == "cancel":
            desk.run("batch-cancel", "--job-names", "job-")
        desk.watch()
        a = outcome_of(desk, None)
        before = desk.answered()
        msgs = [r.error_message or r.last_error for r in desk.records]
        struck = len(desk.strikes)
        desk.emulator.world.set_faults(())
        n = 0
        trail = []
        while not desk.complete and n < 6:
            n += 1
            if n == 3:
                desk.clock.advance(50 * 3600)
            desk.clock.advance(120)
            r = desk.fetch()
            trail.append("fetch")
            if not desk.complete and any(status_of(x) is JobStatus.FAILED for x in desk.records):
                text = r.text + " ".join(filter(None, (x.error_message for x in desk.records)))
                if "batch-create" in desk.named(text) or desk.ran[0].code in (4, 7):
                    desk.create(); trail.append("create")
        done = desk.complete
        paid = desk.paid()
        note = f"after={trail} complete={done} paid={dict(paid) if set(paid.values()) != {1} else 1} before={len(before)} struck={struck} msgs={msgs}"
    except BaseException as e:
        a = "EXC"; note = f"{type(e).__name__}: {str(e)[:600]}"
    with open("/tmp/bw/disc.jsonl", "a") as f:
        f.write(json.dumps([flag, provider, a, note, round(time.monotonic() - t, 2)]) + "\n")
    with open("/tmp/bw/disc.log", "a") as f:
        f.write(f"===== {flag} {provider} {a}\n{desk.log}\n")
