//! Texts at the edges of what names, labels, durations and annotations may be.

/// Texts that some rule for names or label values draws a line at.
pub(super) fn names() -> Vec<(String, String)> {
    let short = [
        "", "a", "0", "A", "Web", "a-", "-a", "a_b", "a.b", ".a", "a.", "a--b", "ä", "a b", " a", "a\nb", "a/b", "a:b",
        "${x}", "%",
    ];
    let mut texts: Vec<_> = short.iter().map(|text| (format!("text {text:?}"), (*text).to_owned())).collect();
    for length in [62, 63, 64, 253, 254] {
        texts.push((format!("{length} letters"), "a".repeat(length)));
    }
    texts.push(("63 with dots".to_owned(), dotted(63)));
    texts.push(("253 with dots".to_owned(), dotted(253)));
    texts
}

/// Labels of a domain name with dots between them, of this length.
fn dotted(length: usize) -> String {
    let text: String = "abcdefghi.".chars().cycle().take(length - 1).collect();
    format!("{text}z")
}

/// What is a duration, what is none, and what is out of bounds.
pub(super) const DURATIONS: [&str; 44] = [
    "0s",
    "0ms",
    "0h0m",
    "1ms",
    "999ms",
    "1s",
    "1.0s",
    "1.5s",
    "0.5s",
    "0.999s",
    "1.001s",
    "5m",
    "1h30m",
    "1m0.25s",
    "23h59m59s",
    "24h",
    "24h0s",
    "24h1ms",
    "86400s",
    "86400.001s",
    "86401s",
    "25h",
    "1000h",
    "2562047h",
    "2562047h47m16s",
    "2562048h",
    "99999999999999999999h",
    "",
    "0",
    "5",
    "-1s",
    "+1s",
    "1d",
    "5 m",
    "5 minutes",
    "5M",
    "1us",
    "1µs",
    "1ns",
    ".5s",
    "1.s",
    "s",
    "1h-5m",
    "00000000000000000000000000000000000000000000000000000000000000001s",
];

/// What the policy annotations of an Environment may be asked to say, by their short key.
pub(super) const POLICIES: [(&str, &[&str]); 7] = [
    (
        "namespaces",
        &[
            "a",
            "a,b",
            " a , b ",
            "",
            ",",
            "a,",
            "a,a",
            "A",
            "kube-system",
            "default",
            "release-system",
            "{project}",
            "{project}-a",
            "a-{project}-b",
            "{environment}",
            "{project",
            "a b",
            "*",
        ],
    ),
    (
        "allowed-cluster-kinds",
        &[
            "Namespace",
            "ClusterRole.rbac.authorization.k8s.io",
            "ClusterRole",
            "clusterrole",
            "",
            ",",
            "Namespace,",
            "Widget.example.org",
            "Widget.example",
            "Widget.",
            ".example.org",
            "Widget.Example.org",
            "Wid get",
            "*",
        ],
    ),
    ("allow-inline-secrets", &["true", "false", "", "yes", "True", "1"]),
    (
        "service-account",
        &[
            "shared-qa/deployer",
            "shared-qa/a.b",
            "deployer",
            "",
            "/",
            "a/",
            "/a",
            "shared-qa/A",
            "other/deployer",
            "kube-system/x",
            "a/b/c",
        ],
    ),
    ("drift", &["warn", "enforce", "", "on", "Warn"]),
    ("orphan-on-delete", &["true", "false", "", "no"]),
    ("enforcement", &["warn", "enforce", "", "on", "Enforce", "off"]),
];

/// What a reason or a link may be asked to say, and what it is called.
pub(super) fn said() -> Vec<(String, String)> {
    let mut texts: Vec<_> = [
        "",
        " ",
        "fixes OPS-1",
        "ünï",
        "a\nb",
        "a\tb",
        "a\u{7f}b",
        "a\u{85}b",
        "\u{1b}[31m",
        "\u{200b}",
        "http://example.org/?a=b#c",
    ]
    .iter()
    .map(|text| (format!("text {text:?}"), (*text).to_owned()))
    .collect();
    for length in [511, 512, 513] {
        texts.push((format!("{length} letters"), "a".repeat(length)));
    }
    texts.push(("256 letters of two bytes".to_owned(), "ä".repeat(256)));
    texts.push(("257 letters of two bytes".to_owned(), "ä".repeat(257)));
    texts
}

/// The characters that random texts are made of.
pub(super) const ALPHABET: [char; 24] = [
    'a', 'b', 'z', '0', '9', 'A', 'Z', '-', '-', '_', '.', '.', '/', ' ', 'ä', ':', '$', '{', '}', '\n', '%', '*', 'm',
    's',
];
