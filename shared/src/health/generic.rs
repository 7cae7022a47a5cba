use super::Assessment;
use super::live::{Condition, Live};

/// Any other kind, by the conventions that kstatus has made common (`kstatus/README.md`): `observedGeneration`, the conditions
/// `Reconciling` and `Stalled`, which are there only while they hold, and `Ready`. What keeps none of them is well when it exists.
pub(super) fn assess(live: Live<'_>) -> Assessment {
    let generation = live.generation();
    let is_behind =
        |observed: Option<i64>| observed.zip(generation).is_some_and(|(observed, wanted)| observed < wanted);
    let behind = || Assessment::progressing("waits for its controller to see the last change");
    if is_behind(live.number("/status/observedGeneration")) {
        return behind();
    }
    let current = |kind| live.condition(kind).filter(|condition| !is_behind(condition.observed));
    let holds = |kind| current(kind).filter(|condition: &Condition<'_>| condition.is("True"));
    if let Some(stuck) = holds("Stalled").or_else(|| holds("Failed")) {
        return Assessment::degraded(stuck.words_or("has failed"));
    }
    if let Some(going_on) = holds("Reconciling") {
        return Assessment::progressing(going_on.words_or("is being reconciled"));
    }
    match live.condition("Ready") {
        Some(ready) if is_behind(ready.observed) => behind(),
        Some(ready) if !ready.is("True") => Assessment::progressing(ready.words_or("is not ready")),
        _ => Assessment::healthy(),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn kinds_that_nobody_knows() {
        let rows = [
            ("no status", "", "Healthy"),
            ("no conditions", "status: {phase: Whatever}", "Healthy"),
            ("seen", "status: {observedGeneration: 2}", "Healthy"),
            (
                "behind",
                "status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}",
                "Progressing: waits for its controller to see the last change",
            ),
            ("ready", "status: {conditions: [{type: Ready, status: 'True', observedGeneration: 2}]}", "Healthy"),
            (
                "ready before",
                "status: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}",
                "Progressing: waits for its controller to see the last change",
            ),
            (
                "not ready",
                "status: {conditions: [{type: Ready, status: 'False', reason: DoesNotExist, message: 'Issuing certificate as Secret does not exist'}]}",
                "Progressing: Issuing certificate as Secret does not exist",
            ),
            (
                "not ready, by its reason",
                "status: {conditions: [{type: Ready, status: Unknown, reason: Checking}]}",
                "Progressing: Checking",
            ),
            (
                "not ready, without a word",
                "status: {conditions: [{type: Ready, status: Unknown}]}",
                "Progressing: is not ready",
            ),
            (
                "reconciling",
                "status: {conditions: [{type: Reconciling, status: 'True', message: fetching}, {type: Ready, status: 'True'}]}",
                "Progressing: fetching",
            ),
            (
                "not reconciling",
                "status: {conditions: [{type: Reconciling, status: 'False'}, {type: Stalled, status: 'False'}, {type: Ready, status: 'True'}]}",
                "Healthy",
            ),
            (
                "stalled",
                "status: {conditions: [{type: Stalled, status: 'True', message: 'install retries exhausted'}, {type: Ready, status: 'False', message: failed}]}",
                "Degraded: install retries exhausted",
            ),
            (
                "stalled before",
                "status: {conditions: [{type: Stalled, status: 'True', observedGeneration: 1}, {type: Ready, status: 'False', message: trying}]}",
                "Progressing: trying",
            ),
            ("failed", "status: {conditions: [{type: Failed, status: 'True'}]}", "Degraded: has failed"),
        ];
        for (name, status, expected) in rows {
            let object = format!(
                "apiVersion: example.com/v1\nkind: Thing\nmetadata: {{generation: 2}}\nspec: {{a: 1}}\n{status}\n"
            );
            check(&[(name, &[&object], expected)]);
        }
        check(&[(
            "an Ingress",
            &[
                "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {generation: 2}, status: {loadBalancer: {}}}",
            ],
            "Healthy",
        )]);
    }
}
