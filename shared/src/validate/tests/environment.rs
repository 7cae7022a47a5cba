use super::*;

/// What is said of an Environment with these policy annotations: the offending values.
fn refused(annotations: &[(&str, &str)]) -> Vec<String> {
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let environment = json!({"metadata": {"annotations": annotations}});
    let change = Change {
        kind: Kind::Environment,
        name: "dev",
        new: &environment,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let violations = validate(&change, Some(&world("warn"))).violations;
    violations
        .into_iter()
        .map(|violation| {
            assert_eq!(violation.code, "UnknownPolicyValue");
            assert!(violation.path.as_str().starts_with("metadata.annotations[release.openchoreo.dev/"), "{violation}");
            violation.value.unwrap_or_default()
        })
        .collect()
}

#[test]
fn a_policy_is_a_known_word() {
    for (key, known, unknown) in [
        (names::ALLOW_INLINE_SECRETS, ["true", "false"], "yes"),
        (names::ORPHAN_ON_DELETE, ["true", "false"], "True"),
        (names::DRIFT, ["warn", "enforce"], "true"),
    ] {
        for word in known {
            assert_eq!(refused(&[(key, word)]), [] as [&str; 0], "{key}");
        }
        for word in [unknown, ""] {
            assert_eq!(refused(&[(key, word)]), [word], "{key}");
        }
    }
    // On any other kind the same keys say nothing.
    let pipeline = json!({"metadata": {"annotations": {names::DRIFT: "maybe"}}});
    assert_eq!(codes(Kind::DeploymentPipeline, "main", &pipeline, None), []);
}

#[test]
fn what_has_a_parser_is_judged_by_it() {
    for (key, fine, bad) in [
        (names::FROZEN, "2026-12-24T00:00:00Z; holidays", "2026-12-24T00:00:00Z"),
        (names::FROZEN, "2020-01-01T00:00:00+02:00;x", "tomorrow; holidays"),
        (names::REQUIRE_REASON, "true", "True"),
        (names::REQUIRE_REASON, "^[A-Z]+-[0-9]+", "[A-Z"),
        (names::HISTORY_RECORDS, "100", "1"),
        (names::HISTORY_BYTES, "65536", "64Ki"),
    ] {
        assert_eq!(refused(&[(key, fine)]), [] as [&str; 0], "{key}");
        assert_eq!(refused(&[(key, bad)]), [bad], "{key}");
        assert_eq!(refused(&[(key, "")]), [""], "{key}");
    }
}

#[test]
fn a_slip_in_the_name_of_a_policy_is_told_once() {
    let environment = |key: &str| json!({"metadata": {"annotations": {key: "x"}}});
    let warned = |kind: Kind, new: &Value, old: Option<&Value>| {
        let change = Change { kind, name: "dev", new, old, user: None, manager: None, now: None };
        validate(&change, None).warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let slip = environment("release.openchoreo.dev/frozzen");
    let told = "metadata.annotations[release.openchoreo.dev/frozzen]: says nothing on kind Environment: \
                did you mean release.openchoreo.dev/frozen?";
    assert_eq!(warned(Kind::Environment, &slip, None), [told]);
    assert_eq!(warned(Kind::Environment, &slip, Some(&slip)), [""; 0]);
    assert_eq!(warned(Kind::Environment, &environment("example.com/frozzen"), None), [""; 0]);
    let elsewhere = environment(names::REQUIRE_REASON);
    let told = "metadata.annotations[release.openchoreo.dev/require-reason]: says nothing on kind DataPlane: remove it";
    assert_eq!(warned(Kind::DataPlane, &elsewhere, None), [told]);
}

#[test]
fn a_freeze_that_is_over_is_warned_of_when_it_is_set() {
    let environment = |text: &str| json!({"metadata": {"annotations": {names::FROZEN: text}}});
    let (over, to_come) = (environment("2026-01-02T12:00:00Z; x"), environment("2026-01-02T12:00:01Z; x"));
    let warned = |new: &Value, old: Option<&Value>| {
        let now = NOON.parse().ok();
        let change = Change { kind: Kind::Environment, name: "dev", new, old, user: None, manager: None, now };
        let findings = validate(&change, Some(&world("warn")));
        assert_eq!(findings.violations, []);
        findings.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    assert_eq!(warned(&over, None), ["FreezePast"]);
    assert_eq!(warned(&over, Some(&to_come)), ["FreezePast"]);
    assert_eq!(warned(&over, Some(&over)), [""; 0]);
    assert_eq!(warned(&to_come, None), [""; 0]);
}

#[test]
fn namespaces_are_names_of_namespaces() {
    let long = "a".repeat(64);
    for fine in ["shop", "{project}-dev", "{project}, shared", "a-{project}-{project}", &format!("{{project}}-{long}")]
    {
        assert_eq!(refused(&[(names::NAMESPACES, fine)]), [] as [&str; 0], "{fine}");
    }
    for (bad, values) in [
        ("", &[""][..]),
        ("a,,b", &[""]),
        ("a,b,", &[""]),
        ("Shop, a_b", &["Shop", "a_b"]),
        ("-{project}", &["-{project}"]),
        ("{Project}-dev", &["{Project}-dev"]),
        ("{project-dev", &["{project-dev"]),
        ("{environment}", &["{environment}"]),
        ("a b", &["a b"]),
        ("kube-system, kube-{project}", &["kube-system", "kube-{project}"]),
        ("default, release-system", &["default", "release-system"]),
        ("a, b, a", &["a"]),
        (&long, &[&long]),
    ] {
        assert_eq!(refused(&[(names::NAMESPACES, bad)]), values, "{bad}");
    }
}

#[test]
fn kinds_are_named_with_their_group() {
    for fine in ["Namespace", "ClusterRole.rbac.authorization.k8s.io, Widget.example.org", "Widget2.a", "Gadget"] {
        assert_eq!(refused(&[(names::ALLOWED_CLUSTER_KINDS, fine)]), [] as [&str; 0], "{fine}");
    }
    for bad in
        ["", "*", "clusterroles.rbac.authorization.k8s.io", "namespace", "Widget.", "Widget.Example.org", "Name Space"]
    {
        assert_eq!(refused(&[(names::ALLOWED_CLUSTER_KINDS, bad)]), [bad], "{bad}");
    }
    // It would be taken for a kind of the core group, of which there is none.
    assert_eq!(refused(&[(names::ALLOWED_CLUSTER_KINDS, "Namespace,ClusterRole")]), ["ClusterRole"]);
}

#[test]
fn an_account_is_in_a_namespace_of_its_environment() {
    let account = |account: &'static str, namespaces: &'static str| {
        let listed = (!namespaces.is_empty()).then_some((names::NAMESPACES, namespaces));
        refused(&[(names::SERVICE_ACCOUNT, account)].into_iter().chain(listed).collect::<Vec<_>>())
    };
    assert_eq!(account("shop-dev/deployer", ""), [] as [&str; 0]);
    assert_eq!(account("shop/deployer.v1", "shared, shop"), [] as [&str; 0]);
    assert_eq!(account("shop-dev/deployer", "{project}-dev"), [] as [&str; 0], "what it stands for is known later");
    assert_eq!(account("elsewhere/deployer", "shared,shop"), ["elsewhere/deployer"]);
    for bad in ["", "deployer", "shop/", "/deployer", "shop/a/b", "Shop/deployer", "shop/Deployer", "shop/-a"] {
        assert_eq!(account(bad, ""), [bad], "{bad}");
    }
    for forbidden in ["kube-system/x", "default/default", "release-system/release-controller"] {
        assert_eq!(account(forbidden, "{project}"), [forbidden]);
    }
}

#[test]
fn a_policy_that_stands_locks_nobody_out() {
    let environment = |namespaces: &str, drift: &str| json!({"metadata": {"annotations": {names::NAMESPACES: namespaces, names::DRIFT: drift}}});
    let old = environment("Shop, a", "warn");
    assert_eq!(codes(Kind::Environment, "dev", &environment("a, Shop", "enforce"), Some(&old)), []);
    assert_eq!(codes(Kind::Environment, "dev", &environment("Shop, B", "warn"), Some(&old)).len(), 1);
}

#[test]
fn a_refusal_says_what_to_write() {
    let environment = json!({"metadata": {"annotations": {
        names::NAMESPACES: "{env}-x, kube-x, a, a,",
        names::ALLOWED_CLUSTER_KINDS: "clusterroles,ClusterRole",
        names::SERVICE_ACCOUNT: "b/deployer",
        names::DRIFT: "on",
        names::FROZEN: "until we say so",
        names::REQUIRE_REASON: "(OPS-[0-9]+",
        names::HISTORY_RECORDS: "all",
        names::HISTORY_BYTES: "1Mi",
    }}});
    let change = Change {
        kind: Kind::Environment,
        name: "dev",
        new: &environment,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    insta::assert_snapshot!(validate(&change, None));
}
