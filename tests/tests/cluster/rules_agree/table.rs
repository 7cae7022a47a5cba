//! The table in `docs/rules.md`: for each code where it holds, as it was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, ensure};
use release_tests::corpus::codes::{CODES, Code, OF_MANIFESTS};
use release_tests::programs;

use super::answer::{Answer, By};

const PATH: &str = "docs/rules.md";

const HEAD: &str = "\
# Where each rule holds

Every refusal names a rule by a code that never changes its meaning. A rule is kept in several places, so that it holds whatever path a
change takes, and so that it is told early. This table is generated from what is seen: the cluster test `rules_agree` sends one corpus of
several thousand objects, valid and broken, to the Rust rules, to an API server that has our schemas and policies but no webhook, to the
same as Kubernetes 1.33, and to one with the webhook. A difference fails the test, and `UPDATE_DOCS=1 make cluster` writes the table anew.

- **schema, policy**: what the API server keeps by itself, also while the webhook is away: all, none (–), or how many of the corpus'
  objects whose only fault this is. Policies are called by their names.
- **webhook**: the HTTP code of its refusal, or that it only warns. *with others*: alone, the fault is left to the API server, which
  answers in its own words right after the webhook; together with another fault the webhook tells both.
- **plugin**: `lint` tells it of files, without a cluster; *before*: the commands that pin and cut tell it before anything is sent.
- **controller**: what it does about such an object that is stored all the same.

| code | what is wrong | kinds | schema | policy | webhook | plugin | controller |
|---|---|---|---|---|---|---|---|
";

const MANIFESTS: &str = "
## Of manifests and arguments

Before there is any object of ours, `kubectl release create` and `lint` judge what they are given.

| code | what is wrong |
|---|---|
";

/// How many objects an API server refuses of those that have one fault.
#[derive(Default)]
pub(super) struct Share {
    /// The names of those that it refuses.
    pub(super) refused: Vec<String>,
    /// The names of those that it accepts.
    pub(super) accepted: Vec<String>,
}

impl Share {
    fn shown(&self) -> String {
        match (self.refused.len(), self.accepted.len()) {
            (0, _) => "–".to_owned(),
            (_, 0) => "all".to_owned(),
            (refused, accepted) => format!("{refused} of {}", refused + accepted),
        }
    }

    /// Examples, for whoever has to find out what drifted.
    fn examples(&self) -> String {
        let some = |names: &[String]| names.iter().take(3).cloned().collect::<Vec<_>>().join(" | ");
        format!("refused: {}; accepted: {}", some(&self.refused), some(&self.accepted))
    }
}

/// What was seen of a code.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) kinds: BTreeSet<&'static str>,
    pub(super) schema: Share,
    pub(super) policy: Share,
    pub(super) policies: BTreeSet<String>,
    pub(super) webhook: Option<String>,
    pub(super) lint: bool,
    pub(super) before: bool,
    /// Whether the controller renders no pin that has this fault.
    pub(super) renders_nothing: bool,
}

impl Seen {
    /// Counts what the API server says of an object that has this one fault.
    pub(super) fn count(&mut self, name: &str, answer: &Answer) {
        let by = answer.as_ref().map(|refusal| &refusal.by);
        let in_schema = matches!(by, Some(By::Schema | By::Decoder | By::Store));
        let in_policy = matches!(by, Some(By::Policy(_)));
        for (share, is_refused) in [(&mut self.schema, in_schema), (&mut self.policy, in_policy)] {
            let names = if is_refused { &mut share.refused } else { &mut share.accepted };
            names.push(name.to_owned());
        }
        if let Some(By::Policy(name)) = by {
            self.policies.insert(name.clone());
        }
    }

    fn policy(&self) -> String {
        let names = self.policies.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match self.policy.shown() {
            all if all == "all" => names,
            none if self.policies.is_empty() => none,
            some => format!("{names}: {some}"),
        }
    }

    fn plugin(&self) -> &'static str {
        match (self.lint, self.before) {
            (true, true) => "`lint`, before",
            (true, false) => "`lint`",
            (false, true) => "before",
            (false, false) => "–",
        }
    }

    fn controller(&self, code: &Code) -> String {
        let does: Vec<_> =
            self.renders_nothing.then_some("renders nothing").into_iter().chain(code.controller).collect();
        if does.is_empty() { "–".to_owned() } else { does.join(", ") }
    }

    fn cells(&self, code: &Code) -> anyhow::Result<[String; 8]> {
        let kinds = self.kinds.iter().copied().collect::<Vec<_>>().join(", ");
        let webhook = match (&self.webhook, code.shown_in) {
            (Some(seen), _) => seen.clone(),
            (None, Some(file)) => shown_in(code, file)?,
            (None, None) => "–".to_owned(),
        };
        let is_somewhere = webhook != "–" || self.lint || self.before || self.schema.shown() != "–";
        ensure!(is_somewhere || code.shown_in.is_some(), "nothing shows the code {}", code.code);
        Ok([
            format!("`{}`", code.code),
            code.meaning.to_owned(),
            if kinds.is_empty() { "–".to_owned() } else { kinds },
            self.schema.shown(),
            self.policy(),
            webhook,
            self.plugin().to_owned(),
            self.controller(code),
        ])
    }
}

/// A test that shows a code which neither the corpus nor a case with a world can.
fn shown_in(code: &Code, file: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(programs::repository().join(file)).with_context(|| format!("reading {file}"))?;
    ensure!(
        text.contains(&format!("\"{}\"", code.code)) || text.contains(&format!("{} ", code.code)),
        "{file} does not show {}",
        code.code
    );
    // What rendering says is the controller's.
    Ok(if file.starts_with("shared/src/render") { "–" } else { "422" }.to_owned())
}

/// Compares what was seen with what is documented, or writes it down. Gives back what differs.
///
/// # Errors
/// When the file cannot be read or written.
pub(super) fn compare(seen: &BTreeMap<&'static str, Seen>) -> anyhow::Result<Vec<String>> {
    let nothing = Seen::default();
    let mut document = HEAD.to_owned();
    let (mut rows, mut unshown) = (Vec::new(), Vec::new());
    for code in CODES {
        let cells = match seen.get(code.code).unwrap_or(&nothing).cells(code) {
            Ok(cells) => cells,
            Err(error) => {
                unshown.push(format!("{error:?}"));
                continue;
            }
        };
        let row = format!("| {} |", cells.join(" | "));
        writeln!(document, "{row}")?;
        rows.push((code.code, row));
    }
    document.push_str(MANIFESTS);
    for code in OF_MANIFESTS {
        writeln!(document, "| `{}` | {} |", code.code, code.meaning)?;
    }
    let path = programs::repository().join(PATH);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, document).with_context(|| format!("writing {PATH}"))?;
        return Ok(unshown);
    }
    let documented = std::fs::read_to_string(&path).with_context(|| format!("reading {PATH}"))?;
    let mut drifted: Vec<_> = rows
        .iter()
        .filter(|(_, row)| !documented.lines().any(|line| line == row))
        .map(|(code, row)| {
            let was = documented.lines().find(|line| line.starts_with(&format!("| `{code}` |"))).unwrap_or("nothing");
            let seen = seen.get(code).unwrap_or(&nothing);
            format!(
                "{code} has drifted\n    documented {was}\n    seen       {row}\n    schema {}\n    policy {}",
                seen.schema.examples(),
                seen.policy.examples()
            )
        })
        .collect();
    drifted.extend(unshown);
    if drifted.is_empty() && documented != document {
        drifted.push(format!("{PATH} has other text than is generated; `UPDATE_DOCS=1 make cluster` writes it anew"));
    }
    Ok(drifted)
}
