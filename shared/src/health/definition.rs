use super::Assessment;
use super::live::Live;

/// A CustomResourceDefinition: served once it is established.
pub(super) fn assess(live: Live<'_>) -> Assessment {
    if let Some(refused) = live.condition("NamesAccepted").filter(|accepted| accepted.is("False")) {
        return Assessment::degraded(&format!(
            "its names are not accepted: {}",
            refused.words_or("no reason is given")
        ));
    }
    match live.condition("Established") {
        Some(established) if established.is("True") => Assessment::healthy(),
        Some(established) if established.is("False") && established.reason != "Installing" => {
            Assessment::degraded(established.words_or("no reason is given"))
        }
        _ => Assessment::progressing("is not established yet"),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn definitions() {
        let rows = [
            ("new", "", "Progressing: is not established yet"),
            (
                "installing",
                "{type: NamesAccepted, status: 'True'}, {type: Established, status: 'False', reason: Installing}",
                "Progressing: is not established yet",
            ),
            ("established", "{type: NamesAccepted, status: 'True'}, {type: Established, status: 'True'}", "Healthy"),
            (
                "names",
                "{type: NamesAccepted, status: 'False', reason: PluralConflict, message: '\"a\" is already in use'}, {type: Established, status: 'False'}",
                "Degraded: its names are not accepted: \"a\" is already in use",
            ),
            (
                "refused",
                "{type: Established, status: 'False', reason: NotAccepted, message: not all names are accepted}",
                "Degraded: not all names are accepted",
            ),
        ];
        for (name, conditions, expected) in rows {
            let object = format!(
                "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {{conditions: [{conditions}]}}}}"
            );
            check(&[(name, &[&object], expected)]);
        }
    }
}
