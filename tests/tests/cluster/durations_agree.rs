//! Durations are what Go says they are, to the nanosecond: OpenChoreo reads the same fields with `time.ParseDuration`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, ensure};
use libtest_mimic::{Failed, Trial};
use release_shared::types::GoDuration;
use release_tests::programs;
use serde_json::Value;

use super::generated::Generator;

/// How many texts are generated.
const MANY: usize = 20_000;

/// Without a control plane.
pub(crate) fn trials() -> Vec<Trial> {
    let test = || durations_are_what_go_says().map_err(|error| Failed::from(format!("{error:?}")));
    vec![Trial::test("durations_agree::durations_are_what_go_says", test)]
}

fn durations_are_what_go_says() -> anyhow::Result<()> {
    let mut generator = Generator::new("durations");
    let mut texts: Vec<String> = WRITTEN.iter().map(|text| (*text).to_owned()).collect();
    texts.extend((0..MANY).map(|_| text(&mut generator)));
    let verdicts = ask_go(&texts)?;
    let mut accepted = 0;
    let mut written = Vec::new();
    for (text, go) in texts.iter().zip(&verdicts) {
        let ours = text.parse::<GoDuration>().ok();
        ensure!(ours.map(GoDuration::as_nanos) == *go, "{text:?} is {go:?} for Go and {ours:?} for us");
        written.extend(ours.map(|ours| (ours.to_string(), ours)));
        accepted += usize::from(go.is_some());
    }
    ensure!(
        accepted > MANY / 4 && accepted < MANY * 9 / 10,
        "the texts say little: {accepted} of {MANY} are durations"
    );

    // What is written is read as the same, by Go and by us.
    let texts: Vec<_> = written.iter().map(|(text, _)| text.clone()).collect();
    for ((text, duration), go) in written.iter().zip(ask_go(&texts)?) {
        ensure!(go == Some(duration.as_nanos()), "{text:?} is written for {duration:?} and is {go:?} for Go");
        ensure!(text.parse() == Ok(*duration), "{text:?} is not read as what was written");
    }
    Ok(())
}

/// What generated texts meet rarely: the ends of what 64 bits hold, digits beyond what is counted, and forms that Go takes and the
/// schema does not.
const WRITTEN: [&str; 26] = [
    "",
    "0",
    "0s",
    "-1s",
    "+1s",
    "1us",
    "1µs",
    "1ns",
    ".5s",
    "1.s",
    "1",
    "1.5.5s",
    "1h 1m",
    "١s",
    "1S",
    "1d",
    "1m\n",
    "1mh",
    "9223372036854.775807ms",
    "9223372036854.775808ms",
    "9223372036854.775808ms9223372036854.775808ms",
    "2562047h47m16.854775807s",
    "2562047h47m16.854775808s",
    "9223372036854775808h",
    "0.9223372036854775808h",
    "0.00000000000000000000000000000000000000000000000000000000000000000000000000000001h",
];

fn text(generator: &mut Generator) -> String {
    let parts = generator.pick(&[1, 1, 1, 2, 2, 3, 5]);
    let text: String = (0..parts).map(|_| part(generator)).collect();
    // Most are well-formed; some have one character that does not belong there.
    if generator.below(5) > 0 {
        return text;
    }
    let at = generator.below(text.len() + 1);
    let odd = generator.pick(&[".", "-", "+", " ", "x", "u", "µ", "0", "h", "..", "\u{0}"]);
    let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}{odd}{}", &text[..at], &text[at..])
}

fn part(generator: &mut Generator) -> String {
    let digits = |generator: &mut Generator, most: usize| -> String {
        let count = generator.below(most) + 1;
        (0..count).map(|_| char::from(b'0' + u8::try_from(generator.below(10)).unwrap_or(0))).collect()
    };
    let most = generator.pick(&[1, 2, 3, 7, 16, 21]);
    let mut part = digits(generator, most);
    if generator.below(2) == 0 {
        let most = generator.pick(&[1, 3, 9, 19, 25]);
        part += &format!(".{}", digits(generator, most));
    }
    part + generator.pick(&["ms", "s", "m", "h"])
}

/// Go's verdict on each text: its length in nanoseconds, or that it is none.
fn ask_go(texts: &[String]) -> anyhow::Result<Vec<Option<i64>>> {
    let mut go = Command::new("go");
    go.args(["run", "."]).current_dir(programs::repository().join("tests/peers/durations"));
    go.env("GOFLAGS", "-mod=readonly").env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("CGO_ENABLED", "0");
    let mut child = go.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("running go")?;
    let mut input = child.stdin.take().context("a child without an input")?;
    let lines: String = texts.iter().map(|text| format!("{}\n", Value::from(text.as_str()))).collect();
    let writing = thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "go run ended with {}", output.status);
    writing.join().map_err(|_| anyhow::anyhow!("writing to go panicked"))??;
    let answers = String::from_utf8(output.stdout)?;
    let verdicts: Vec<_> = answers.lines().map(|line| line.parse().ok()).collect();
    ensure!(verdicts.len() == texts.len(), "{} answers to {} texts", verdicts.len(), texts.len());
    Ok(verdicts)
}
