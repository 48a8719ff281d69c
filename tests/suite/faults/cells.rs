//! The cells of the matrix: each fault with each operation, and whether the outcome is the table's.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::ask::{Operation, Seen};
use super::rows::{Clocks, FRAME_ROWS, Failover, Fault, ROWS, Row, Told};
use super::{Bench, Model, answer_to};

/// How many targets a model has: one with the fault, and perhaps one that is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Targets {
    One,
    Two,
}

impl Targets {
    /// Whether the second target is asked after a failure of this kind.
    pub(super) fn asks_second(self, failover: Failover) -> bool {
        self == Self::Two && failover == Failover::Retried
    }
}

/// One fault, met by one operation. Its name is that of its model and endpoint, too.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) row: &'static Row,
    pub(super) operation: Operation,
}

impl Cell {
    pub(super) fn name(self) -> String {
        format!("{}--{}", self.row.name, self.operation.name())
    }

    /// The endpoint of the second target, which is well.
    pub(super) fn second(self) -> String {
        format!("{}--second", self.name())
    }

    /// How many calls of the first target reach the proxy.
    pub(super) fn calls(self) -> usize {
        usize::from(!matches!(self.row.fault, Fault::Url(_)))
    }

    pub(super) fn told(self, targets: Targets) -> Told {
        if targets.asks_second(self.row.failover) {
            Told::Whole
        } else {
            self.row.told(self.operation)
        }
    }

    fn model(self, targets: Targets) -> Model {
        let url = match self.row.fault {
            Fault::Url(url) => Some(url.to_owned()),
            _ => None,
        };
        let second = (targets == Targets::Two).then(|| self.second());
        Model { name: self.name(), operation: self.operation, url, second }
    }
}

/// Every cell of the table that is for these clocks.
pub(super) fn cells(clocks: Clocks) -> Vec<Cell> {
    let with = |row: &'static Row| Operation::ALL.map(move |operation| Cell { row, operation });
    let all = ROWS.iter().flat_map(with);
    let framed =
        FRAME_ROWS.iter().flat_map(with).filter(|cell| cell.operation != Operation::Invoked);
    all.chain(framed).filter(|cell| cell.row.clocks == clocks).collect()
}

/// A gateway whose models are the cells.
pub(super) async fn bench(cells: &[Cell], targets: Targets, clocks: Clocks) -> Bench {
    let models: Vec<_> = cells.iter().map(|cell| cell.model(targets)).collect();
    let mut scripts = HashMap::new();
    let mut rules = String::new();
    for cell in cells {
        match cell.row.fault {
            Fault::Url(_) => {}
            Fault::Proxy(damage) => {
                scripts.insert(cell.name(), vec![damage]);
            }
            Fault::Rule(rule) => {
                let (name, answer) = (cell.name(), answer_to("{text}"));
                write!(
                    rules,
                    "[[rules]]\nwhen.endpoint = \"{name}\"\nanswer.text = \"{answer}\"\n{rule}\n"
                )
                .unwrap();
            }
        }
    }
    let sagemaker = match clocks {
        Clocks::Patient => "",
        Clocks::Head => {
            "connect_timeout = \"1 s\"\nfirst_byte_timeout = \"1 s\"\ninvoke_timeout = \"1 s\""
        }
        Clocks::Parts => {
            "connect_timeout = \"1 s\"\nidle_timeout = \"1 s\"\ninvoke_timeout = \"1 s\""
        }
    };
    Bench::start(&models, scripts, &rules, sagemaker).await
}

/// What is not as the table says.
pub(super) fn judge(cell: Cell, marker: &str, told: Told, seen: &Seen) -> Option<String> {
    let whole = answer_to(marker);
    let good = match (told, seen) {
        (Told::Whole, Seen::Answer(text)) => *text == whole,
        (Told::Mended, Seen::Answer(text)) => text.contains('\u{fffd}'),
        (Told::Refused(status, name, part), Seen::Refused(as_status, as_name, message)) => {
            (status, name) == (*as_status, as_name) && message.contains(part)
        }
        (Told::BrokenAfterText(name, part), Seen::Broken(text, as_name, message)) => {
            !text.is_empty() && whole.starts_with(text) && name == as_name && message.contains(part)
        }
        (Told::BrokenAtOnce(name, part), Seen::Broken(text, as_name, message)) => {
            text.is_empty() && name == as_name && message.contains(part)
        }
        _ => false,
    };
    (!good).then(|| format!("{}: {told:?} was expected, not {seen:?}", cell.name()))
}
