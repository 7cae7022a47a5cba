//! One figure, beside a peer's and beside its goal.

use serde_json::{Value, json};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Count,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// Ours is at most this part of the peer's.
    Part(f64),
    /// Ours is at most this.
    Most(f64),
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    measure: &'static str,
    unit: Unit,
    ours: f64,
    peer: Option<(String, f64)>,
    goal: Option<Goal>,
    shown: Vec<String>,
}

impl Row {
    pub(crate) fn new(what: &str, measure: &'static str, unit: Unit, ours: f64) -> Self {
        Self { what: what.to_owned(), measure, unit, ours, peer: None, goal: None, shown: Vec::new() }
    }

    /// The same figure of a peer.
    pub(crate) fn beside(self, name: &str, value: f64) -> Self {
        Self { peer: Some((name.to_owned(), value)), ..self }
    }

    pub(crate) fn with_goal(self, goal: Option<Goal>) -> Self {
        Self { goal, ..self }
    }

    /// With what our figure counts, for whoever reads the JSON.
    pub(crate) fn showing(self, shown: &[String]) -> Self {
        Self { shown: shown.to_vec(), ..self }
    }

    /// Ours divided by the peer's.
    fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, peer)| self.ours / peer).filter(|ratio| ratio.is_finite())
    }

    fn is_reached(&self) -> Option<bool> {
        match self.goal? {
            Goal::Part(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Most(most) => Some(self.ours <= most),
        }
    }

    fn verdict(&self) -> Option<&'static str> {
        self.is_reached().map(|reached| if reached { "reached" } else { "missed" })
    }

    /// In the order of [`HEADINGS`].
    pub(crate) fn cells(&self) -> [String; 8] {
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
        let goal = self.goal.map(|goal| match goal {
            Goal::Part(most) => format!("≤ {most}×"),
            Goal::Most(most) => format!("≤ {}", self.unit.show(most)),
        });
        [
            self.what.clone(),
            self.measure.to_owned(),
            self.unit.show(self.ours),
            or_dash(self.peer.as_ref().map(|(_, value)| self.unit.show(*value))),
            or_dash(self.ratio().map(|ratio| format!("{ratio:.2}×"))),
            or_dash(goal),
            or_dash(self.verdict().map(str::to_owned)),
            or_dash(self.peer.as_ref().map(|(name, _)| name.clone())),
        ]
    }

    pub(crate) fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Count => "count",
        };
        let mut json = json!({ "what": self.what, "measure": self.measure, "unit": unit, "ours": self.ours });
        if let Some((name, value)) = &self.peer {
            json["peer"] = json!({ "name": name, "value": value });
        }
        if let Some(ratio) = self.ratio() {
            json["ratio"] = ratio.into();
        }
        match self.goal {
            Some(Goal::Part(most)) => json["goal"] = json!({ "ratio": most }),
            Some(Goal::Most(most)) => json["goal"] = json!({ "ours": most }),
            None => {}
        }
        if let Some(verdict) = self.verdict() {
            json["verdict"] = verdict.into();
        }
        if !self.shown.is_empty() {
            json["shown"] = self.shown.as_slice().into();
        }
        json
    }
}

/// Of the table's columns.
pub(crate) const HEADINGS: [&str; 8] = ["WHAT", "MEASURE", "OURS", "PEER", "RATIO", "GOAL", "VERDICT", "THE PEER"];

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value.abs() < 0.000_999_5 => format!("{:.0} µs", value * 1e6),
            Self::Seconds if value.abs() < 0.999_5 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::Count if value.fract() == 0.0 => format!("{value}"),
            Self::Count => format!("{value:.1}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_part_of_the_peers_figure_or_a_figure() {
        let row = Row::new("list", "CPU time", Unit::Seconds, 0.004).beside("kubectl get", 0.05);
        assert_eq!(row.clone().with_goal(Some(Goal::Part(0.1))).verdict(), Some("reached"));
        assert_eq!(row.clone().with_goal(Some(Goal::Part(0.05))).verdict(), Some("missed"));
        assert_eq!(row.clone().with_goal(Some(Goal::Most(0.004))).verdict(), Some("reached"));
        assert_eq!(row.verdict(), None);
    }

    #[test]
    fn figures_are_shown_in_a_unit_that_fits() {
        let seconds = [0.000_18, 0.0421, 0.9996, 275.0].map(|value| Unit::Seconds.show(value));
        assert_eq!(seconds, ["180 µs", "42.1 ms", "1.00 s", "275.00 s"]);
        assert_eq!([Unit::Bytes.show(7_940_000.0), Unit::Count.show(1.0)], ["7.9 MB", "1"]);
    }
}
