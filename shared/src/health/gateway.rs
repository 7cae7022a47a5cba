//! Kinds of the Gateway API: a Gateway and the routes that hang on it. (`apis/v1/gateway_types.go`, `shared_types.go`)

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Health;
use crate::object::text;

use super::Assessment;
use super::assessment::MINUTE;
use super::live::{Condition, Live, condition};

/// The conditions that must hold of a Gateway, in the order in which they come true.
const OF_GATEWAY: [(&str, &str); 2] = [("Accepted", "is not accepted"), ("Programmed", "is not programmed")];
/// The same of a route, for each of its parents.
const OF_ROUTE: [(&str, &str); 2] = [("Accepted", "is not accepted"), ("ResolvedRefs", "refers to what is not there")];
/// The reasons for which one waits: the defaults of the definitions, and an address that comes from elsewhere.
const WAITING: [&str; 3] = ["Pending", "AddressNotAssigned", "NotReconciled"];

/// A Gateway.
pub(super) fn assess_gateway(live: Live<'_>, now: Timestamp) -> Assessment {
    judge(live, live.list("/status/conditions"), &OF_GATEWAY, "", now)
}

/// An HTTPRoute, GRPCRoute, …
pub(super) fn assess_route(live: Live<'_>, now: Timestamp) -> Assessment {
    let parents = live.list("/status/parents");
    if parents.len() < live.list("/spec/parentRefs").len() {
        return Assessment::progressing("waits for the controller of its gateway");
    }
    let of_parent = |parent: &Value| {
        let conditions = parent.get("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let name = text(parent, "/parentRef/name").filter(|_| parents.len() > 1);
        let whose = name.map_or(String::new(), |name| format!("parent {name}: "));
        judge(live, conditions, &OF_ROUTE, &whose, now)
    };
    let worst = parents.iter().map(of_parent).reduce(|one, other| if other.health > one.health { other } else { one });
    worst.unwrap_or_else(Assessment::healthy)
}

fn judge(live: Live<'_>, conditions: &[Value], wanted: &[(&str, &str)], whose: &str, now: Timestamp) -> Assessment {
    let judged = wanted.iter().map(|&(kind, fault)| match condition(conditions, kind) {
        None => Assessment::progressing("waits for its controller"),
        Some(found) => judge_one(live, found, &format!("{whose}{fault}"), now),
    });
    judged.reduce(|one, other| if other.health > one.health { other } else { one }).unwrap_or_else(Assessment::healthy)
}

fn judge_one(live: Live<'_>, condition: Condition<'_>, fault: &str, now: Timestamp) -> Assessment {
    let is_old = condition.observed.zip(live.generation()).is_some_and(|(observed, generation)| observed < generation);
    let words = format!("{fault}: {}", condition.words_or("no reason is given"));
    match condition.status {
        _ if is_old => Assessment::progressing("waits for its controller to see the last change"),
        "True" => Assessment::healthy(),
        // What it refers to may be applied a moment after it.
        "False" if !WAITING.contains(&condition.reason) => Assessment::tolerated(&words, condition.since, MINUTE, now),
        _ => Assessment::new(Health::Progressing, &words),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const ROUTE: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {generation: 2}\nspec: {parentRefs: [{name: gw}]}\n";

    #[test]
    fn gateways() {
        let rows = [
            ("new", "", "Progressing: waits for its controller"),
            (
                "by default",
                "{type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}, {type: Programmed, status: Unknown, reason: Pending, message: Waiting for controller}",
                "Progressing: is not accepted: Waiting for controller",
            ),
            (
                "well",
                "{type: Accepted, status: 'True', observedGeneration: 2}, {type: Programmed, status: 'True', observedGeneration: 2}",
                "Healthy",
            ),
            (
                "well before",
                "{type: Accepted, status: 'True', observedGeneration: 1}, {type: Programmed, status: 'True', observedGeneration: 2}",
                "Progressing: waits for its controller to see the last change",
            ),
            (
                "no address",
                "{type: Accepted, status: 'True'}, {type: Programmed, status: 'False', reason: AddressNotAssigned, message: No address, lastTransitionTime: T-900}",
                "Progressing: is not programmed: No address",
            ),
            (
                "invalid",
                "{type: Accepted, status: 'False', reason: Invalid, message: no such class, lastTransitionTime: T-60}, {type: Programmed, status: 'False', reason: Pending}",
                "Degraded: is not accepted: no such class",
            ),
        ];
        for (name, conditions, expected) in rows {
            let object = format!(
                "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{generation: 2}}, status: {{conditions: [{conditions}]}}}}"
            );
            check(&[(name, &[&object], expected)]);
        }
    }

    #[test]
    fn routes() {
        let rows = [
            ("new", "[]", "Progressing: waits for the controller of its gateway"),
            (
                "well",
                "[{parentRef: {name: gw}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]",
                "Healthy",
            ),
            (
                "one of two gateways does not want it",
                "[{parentRef: {name: gw}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}, {parentRef: {name: other}, conditions: [{type: Accepted, status: 'False', reason: NotAllowedByListeners, message: not allowed, lastTransitionTime: T-61}, {type: ResolvedRefs, status: 'True'}]}]",
                "Degraded: parent other: is not accepted: not allowed",
            ),
            (
                "its Service may be about to come",
                "[{parentRef: {name: gw}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'False', reason: BackendNotFound, message: Service web not found, lastTransitionTime: T-10}]}]",
                "Progressing: refers to what is not there: Service web not found @50",
            ),
        ];
        for (name, parents, expected) in rows {
            let object = format!("{ROUTE}status: {{parents: {parents}}}\n");
            check(&[(name, &[&object], expected)]);
        }
    }
}
