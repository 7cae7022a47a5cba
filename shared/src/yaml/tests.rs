use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, write};

macro_rules! testdata {
    ($name:literal, $extension:literal) => {
        (
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/yaml/", $name, ".", $extension)),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/yaml/", $name, ".expected.json")),
        )
    };
}

fn one(text: &str) -> Value {
    let mut documents = read(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).value
}

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// Any JSON value whose floats are not integers.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".*",
        "[ -~\\n]{0,12}",
        r#"[0-9+-_.eExXobYynNoOaflt~:# '"\n<]{0,6}"#,
        r#"[${}"'a \n]{0,8}"#,
        "[ \\n\\t\\ra|>-]{0,8}",
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        Just(json!(i64::MIN)),
        any::<f64>().prop_filter_map("integral or no JSON", |float| {
            (float.is_finite() && float.to_string().parse::<i64>().is_err()).then(|| float.into())
        }),
    ];
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, text.clone().prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn what_is_written_reads_back_as_the_same_value(value in any_value()) {
        let text = write(&value);
        let documents = read(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(documents.first().map(|d| &d.value).unwrap_or(&Value::Null), &value, "{}", text);
    }

    #[test]
    fn no_text_makes_reading_panic(text in r#"[ \n\t:{}\[\]"'&*a-c<!|>#,?-]{0,40}"#) {
        let _ = read(&text);
    }
}

/// Texts beside what kubectl makes of them: written by `NewYAMLOrJSONDecoder` of k8s.io/apimachinery v0.36, which kubectl
/// reads files with.
const AS_KUBECTL: [(&str, &str, &str); 7] = [
    testdata!("anchors", "yaml"),
    testdata!("deployment", "yaml"),
    testdata!("documents", "yaml"),
    testdata!("scalars", "yaml"),
    testdata!("strings", "yaml"),
    testdata!("windows", "yaml"),
    testdata!("stream", "json"),
];

#[test]
fn texts_are_read_as_kubectl_reads_them() {
    for (name, text, expected) in AS_KUBECTL {
        let found: Vec<Value> = read(text).unwrap().into_iter().map(|document| document.value).collect();
        let expected: Vec<Value> = serde_json::from_str(expected).unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(write(found), write(expected), "{name}");
        }
    }
}

#[test]
fn an_integer_above_the_signed_range_stays_one() {
    assert_eq!(one("a: 18446744073709551615"), json!({"a": u64::MAX}));
    assert_eq!(one("9223372036854775808: x"), json!({"9223372036854775808": "x"}));
    assert_eq!(one(&write(&json!(u64::MAX))), json!(u64::MAX));
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let table = [
        ("a:\n\tb: 1", "line 2, column 2: a tab is used for indentation; use spaces"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4, column 3: the key `c` stands twice in this mapping; remove one"),
        ("1: a\n'1': b", "line 2, column 1: the key `1` stands twice in this mapping; remove one"),
        (
            "a: .inf",
            "line 1, column 4: `.inf` is not a number that JSON can hold; put it in quotes if it is meant as text",
        ),
        ("? [a]\n: b", "line 1, column 3: a mapping's key must be a single word or number, not a list or a mapping"),
        ("~: b", "line 1, column 1: a mapping's key is null; write the key, in quotes if it is meant as text"),
        ("a: !!int x", "line 1, column 10: `x` does not fit its tag `!!int`; correct the value or remove the tag"),
        (
            "a: !!binary gA==",
            "line 1, column 13: the value of a `!!binary` is not text; put the base64 text itself where \
          binary data is allowed, such as a ConfigMap's binaryData",
        ),
        ("a: *b", "line 1, column 4: this alias refers to an anchor that is not defined above it"),
        ("a: &a [*a]", "line 1, column 8: this alias stands inside the value that it refers to"),
        ("<<: 1", "line 1, column 5: `<<` takes a mapping, an alias of one, or a list of them"),
        ("a: [1", "line 1, column 4: this `[` is never closed"),
        (
            "a: \"b",
            "line 2, column 1: this quoted text is not closed, or its lines are not indented; close or indent it",
        ),
        (
            "a: b: c",
            "line 1, column 5: a `:` stands where no value can begin; check the indentation, and put text that contains `: ` in quotes",
        ),
        ("a: @b", "line 1, column 4: a value cannot begin with `@`; put it in quotes"),
        (
            "a: 1\n b: 2",
            "line 2, column 3: a `:` stands where no value can begin; check the indentation, and put text that contains `: ` in quotes",
        ),
        (
            "a:\n- 1\nb\n",
            "line 3, column 1: this line is neither `key: value` nor indented as the lines around it; check both",
        ),
        (
            "a:\n    b: 1\n  c: 2\n",
            "line 3, column 3: this line is neither `key: value` nor indented as the lines around it; check both",
        ),
        ("---\na: 1\n---\nb: {", "line 4, column 4: this `{` is never closed"),
        (
            "{\"a\": 1}\n{\"b\": 1,\n \"b\": 2}",
            "line 3, column 2: the key `b` stands twice in this mapping; remove one",
        ),
    ];
    let wrong: Vec<String> = table
        .into_iter()
        .filter(|(text, expected)| error(text) != *expected)
        .map(|(text, _)| format!("{text:?} → {}", error(text)))
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn depth_and_aliases_are_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read(&nested(101)).is_ok());
    let expected = "line 1, column 102: values are nested too deeply here; at most 100 levels are read";
    assert_eq!(error(&nested(102)), expected);
    assert!(error(&nested(1000)).contains("nested too deeply"));
    let indented: String = (0..300).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(error(&indented).contains("nested too deeply"));

    let chain: String = (1..200).map(|at| format!("- &a{at} [*a{}]\n", at - 1)).collect();
    assert!(error(&format!("- &a0 []\n{chain}")).contains("nested too deeply"));
    let bomb: String = (1..30).map(|at| format!("- &a{at} [*a{0}, *a{0}]\n", at - 1)).collect();
    assert!(error(&format!("- &a0 [x]\n{bomb}")).contains("aliases make this text too large"));
}

#[test]
fn every_value_has_its_line() {
    let text = "# comment\na: 1\nb:\n  c.d/e:\n  - x\n  -\n    f: y\n  g: &g\n    h: 1\ni: *g\n---\n\nj: 1\n";
    let documents = read(text).unwrap();
    let lines = &documents[0].lines;
    assert_eq!((documents[0].line(), documents[1].line()), (2, 13));
    let table = [
        ("", 2),
        ("/a", 2),
        ("/b", 3),
        ("/b/c.d~1e", 4),
        ("/b/c.d~1e/0", 5),
        ("/b/c.d~1e/1/f", 7),
        ("/b/c.d~1e/7", 4),
        ("/b/g/h", 9),
        ("/i/h", 10),
        ("/nothing", 2),
    ];
    for (pointer, line) in table {
        assert_eq!(lines.pointer(pointer), line, "{pointer}");
    }
    let objects = read("{\"a\":\n 1}\n\n{\"b\":\n 2}").unwrap();
    assert_eq!((objects[1].line(), objects[1].lines.pointer("/b")), (4, 4));
}

#[test]
fn strings_that_mean_something_else_are_quoted() {
    let table = [
        ("plain", "plain"),
        ("", "\"\""),
        ("yes", "\"yes\""),
        ("y", "\"y\""),
        ("0644", "\"0644\""),
        ("1e3", "\"1e3\""),
        ("null", "\"null\""),
        ("~", "\"~\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("12:30", "\"12:30\""),
        ("12:300", "12:300"),
        ("<<", "\"<<\""),
        ("1.2.3", "1.2.3"),
        ("a: b", "'a: b'"),
        ("it's: x", "'it''s: x'"),
        (" a", "' a'"),
        ("- a", "'- a'"),
        ("-a", "-a"),
        ("a\tb", "\"a\\tb\""),
        ("a\u{2028}😀", "\"a\\L\\U0001F600\""),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb", "|2-\n   a\n  b"),
        ("a \nb", "\"a \\nb\""),
    ];
    for (text, expected) in table {
        assert_eq!(write(&text.into()), format!("{expected}\n"), "{text:?}");
        assert_eq!(one(&write(&text.into())), json!(text));
    }
}

#[test]
fn values_are_written_as_kubectl_prints_them() {
    let value = json!({
        "a10": 1, "a2": 1, "B": null, "_": true, "empty": [{}, [], ""],
        "list": [1, [2, [3]], {"a": {"b": [1.5, 1e-7, 1_234_567.5, 1e21]}, "c": "x\ny\n"}],
        "k".repeat(130): {"x": 1, "y": [1]},
    });
    let expected = "\
_: true
B: null
a2: 1
a10: 1
empty:
- {}
- []
- \"\"
? kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
: x: 1
  \"y\":
  - 1
list:
- 1
- - 2
  - - 3
- a:
    b:
    - 1.5
    - 1e-07
    - 1.2345675e+06
    - 1e+21
  c: |
    x
    y
";
    assert_eq!(write(&value), expected);
    assert_eq!(one(expected), value);
}
