//! Gauges that are read off when the metrics are asked for, rather than kept in step.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::fleet::Standing;

/// What was read off. What has the same labels is added up.
#[derive(Debug, Default)]
pub struct Readings {
    waiting: i64,
    principals: BTreeMap<String, i64>,
    /// In flight, and waiting.
    models: BTreeMap<String, (i64, i64)>,
    targets: BTreeMap<String, Target>,
}

#[derive(Debug, Default)]
struct Target {
    in_flight: i64,
    well: i64,
    resting: i64,
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Readings {
    /// Calls that wait for a place in the gateway.
    pub fn waiting(&mut self, calls: usize) {
        self.waiting += number(calls);
    }

    /// A principal's calls in flight, those that wait among them.
    pub fn principal(&mut self, name: &str, calls: usize) {
        self.principals.insert(name.to_owned(), number(calls));
    }

    /// A model's calls: with its targets, and waiting for room with one of them.
    pub fn model(&mut self, id: &str, in_flight: usize, waiting: usize) {
        let model = self.models.entry(id.to_owned()).or_default();
        model.0 += number(in_flight);
        model.1 += number(waiting);
    }

    /// A target's calls in flight, and how it stands.
    pub fn target(&mut self, name: &str, in_flight: usize, standing: Standing) {
        let target = self.targets.entry(name.to_owned()).or_default();
        target.in_flight += number(in_flight);
        match standing {
            Standing::Well => target.well += 1,
            Standing::Resting { .. } => target.resting += 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPrincipal {
    principal: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTarget {
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stands {
    target: String,
    standing: &'static str,
}

/// The gauges that show it.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    waiting: Gauge,
    principals: Family<OfPrincipal, Gauge>,
    model_in_flight: Family<OfModel, Gauge>,
    model_waiting: Family<OfModel, Gauge>,
    target_in_flight: Family<OfTarget, Gauge>,
    targets: Family<Stands, Gauge>,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "calls_waiting",
            "Calls that wait for a place in the gateway",
            self.waiting.clone(),
        );
        registry.register(
            "principal_calls_in_flight",
            "Calls of a principal, those that wait among them",
            self.principals.clone(),
        );
        registry.register(
            "model_calls_in_flight",
            "Calls that have a place with one of the model's targets",
            self.model_in_flight.clone(),
        );
        registry.register(
            "model_calls_waiting",
            "Calls that wait until one of the model's targets has room",
            self.model_waiting.clone(),
        );
        registry.register(
            "target_calls_in_flight",
            "Calls that a target has, of all models together",
            self.target_in_flight.clone(),
        );
        registry.register(
            "targets",
            "Targets of this name, by how they stand",
            self.targets.clone(),
        );
    }

    /// Shows `readings`, and nothing that was shown before.
    pub(super) fn set(&self, readings: &Readings) {
        self.waiting.set(readings.waiting);
        self.principals.clear();
        for (principal, calls) in &readings.principals {
            let labels = OfPrincipal { principal: principal.clone() };
            self.principals.get_or_create(&labels).set(*calls);
        }
        self.model_in_flight.clear();
        self.model_waiting.clear();
        for (model, (in_flight, waiting)) in &readings.models {
            let labels = OfModel { model: model.clone() };
            self.model_in_flight.get_or_create(&labels).set(*in_flight);
            self.model_waiting.get_or_create(&labels).set(*waiting);
        }
        self.target_in_flight.clear();
        self.targets.clear();
        for (name, target) in &readings.targets {
            let labels = OfTarget { target: name.clone() };
            self.target_in_flight.get_or_create(&labels).set(target.in_flight);
            for (standing, count) in [("well", target.well), ("resting", target.resting)] {
                let labels = Stands { target: name.clone(), standing };
                self.targets.get_or_create(&labels).set(count);
            }
        }
    }
}
