//! What our rules say of names and of label values is what the API server says of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::ensure;
use release_shared::types::{dns_label_fault, dns_subdomain_fault, label_value_fault};
use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use super::generated::Generator;
use super::person::Person;

trials! {
    admission:
    names_and_labels_are_judged_as_the_api_server_judges_them,
}

/// How many texts are generated.
const MANY: usize = 500;
/// How many are asked for at once.
const AT_ONCE: usize = 8;

/// A rule of ours, and an object that the API server takes where it takes the text.
type Agreement = (&'static str, fn(&str) -> Option<String>, fn(&str) -> Value);

const AGREEMENTS: [Agreement; 3] = [
    // A namespace's name is a label; a Service's may in addition not begin with a digit.
    (
        "a DNS label",
        dns_label_fault,
        |text| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": text } }),
    ),
    (
        "a DNS subdomain",
        dns_subdomain_fault,
        |text| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": text } }),
    ),
    (
        "the value of a label",
        label_value_fault,
        |text| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "labelled", "labels": { "value": text } } }),
    ),
];

fn names_and_labels_are_judged_as_the_api_server_judges_them(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace).in_dry_run();
    let mut generator = Generator::new("names");
    let mut texts: Vec<String> = written();
    texts.extend((0..MANY).map(|_| text(&mut generator)));
    texts.sort_unstable();
    texts.dedup();
    ensure!(texts.len() >= 300, "only {} texts", texts.len());
    let differences = Mutex::new(Vec::new());
    let accepted = AGREEMENTS.map(|_| AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for ((what, rule, object), accepted) in AGREEMENTS.iter().zip(&accepted) {
                        let (ours, theirs) = (rule(text), admin.create(&object(text)));
                        accepted.fetch_add(usize::from(theirs.is_ok()), Ordering::Relaxed);
                        if ours.is_none() != theirs.is_ok() && !is_known(what, text) {
                            differences.lock().unwrap().push(format!("{text:?} as {what}: {ours:?}, {theirs:?}"));
                        }
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    let accepted = accepted.map(AtomicUsize::into_inner);
    ensure!(accepted.iter().all(|&count| count > 50 && count < texts.len() - 50), "the texts say little: {accepted:?}");
    Ok(())
}

/// An empty label value is one for the API server, and identifies nothing for us.
fn is_known(what: &str, text: &str) -> bool {
    what == "the value of a label" && text.is_empty()
}

/// The edges.
fn written() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "a",
        "A",
        "0",
        "-",
        "_",
        ".",
        "a-",
        "-a",
        "a.",
        ".a",
        "a..b",
        "a.-b",
        "a-.b",
        "a--b",
        "a_b",
        "a/b",
        "a b",
        " a",
        "a ",
        "ä",
        "ı",
        "a\n",
        "a\u{0}",
        "1.2.3.4",
        "xn--a",
        "metadata.name",
        "A.b_C-d",
        "_a",
        "a_",
        "a\u{301}",
        "Ａ",
        "ａ",
        "٣",
    ]
    .map(str::to_owned)
    .into();
    for length in [62, 63, 64, 252, 253, 254] {
        texts.push("a".repeat(length));
        texts.push(format!("{}-", "a".repeat(length - 1)));
        texts.push("ä".repeat(length / 2));
        // Labels of at most 63, as a whole of this length.
        texts.push("a".repeat(length).as_bytes().chunks(62).map(String::from_utf8_lossy).collect::<Vec<_>>().join("."));
        texts.push("a.".repeat(length / 2) + if length % 2 == 0 { "" } else { "a" });
    }
    texts
}

fn text(generator: &mut Generator) -> String {
    let length = generator.pick(&[1, 2, 3, 5, 8, 20, 62, 63, 64, 65, 120, 253, 254]);
    let plain = ["a", "b", "z", "0", "9"];
    let rare = ["-", "-", ".", ".", "_", "A", "Z", "/", " ", "ä", "\u{1F600}", "%", "\t"];
    // In half of them nothing odd, in the rest one place in twenty.
    let odd = generator.below(2) == 0;
    let dashed = generator.below(2) == 0;
    let mut text = String::new();
    while text.len() < length {
        text += if odd && generator.below(20) == 0 {
            generator.pick(&rare)
        } else if dashed && generator.below(10) == 0 {
            generator.pick(&["-", "."])
        } else {
            generator.pick(&plain)
        };
    }
    text
}
