"""autoprune report: the report of a finished run, shown again, and its page written anew."""

from __future__ import annotations

from pathlib import Path

from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.report.document import Report, TableLine
from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.delivery.report import write_page
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec
from autoprune.tables.reading import read_table


def report(folder: Path) -> Report:
    """The report of a finished run, its table as it is verified now; its page is written anew."""
    place = RunFolder.existing(folder)
    spec = RunSpec.load(place.spec)
    found = _with_table_now(Report.load(place.report), spec.device.table or place.table)
    found.write(place.report)
    ledger = Ledger(place.study, spec.name, None)
    trials = ledger.trials(found.search.agent, found.search.seed)
    write_page(found, trials, ledger.dense, PolicyFile.load(place.policy).space(), spec, place)
    return found


def _with_table_now(found: Report, path: Path) -> Report:
    """The report with what the table at `path` says by now; the same one where it is gone or holds another network."""
    if found.table is None or not path.is_file():
        return found
    table = read_table(path)
    if found.table.network not in table.networks:
        return found
    return found.model_copy(update={"table": TableLine.of(table, found.table.network, path)})
