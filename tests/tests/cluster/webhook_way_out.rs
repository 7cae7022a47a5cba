//! The way out: the two commands that docs/webhook.md prints take the webhook out of the path and put it back.

use std::fs;

use anyhow::Context;
use release_tests::{Cli, Namespace, fixture, programs, trials, wait};
use serde_json::{Value, json};

use super::objects::{Shop, created, records, release, with};
use super::person::{Told, until_accepted, until_refused};
use super::webhook_certificates::system::{LIMIT, System};

trials! { admission: the_commands_of_the_docs_take_it_out_of_the_path_and_put_it_back }

const SECTION: &str = "## Out of the path, and back";

/// The commands of the section, each with what is printed below it.
fn commands() -> anyhow::Result<Vec<(String, String)>> {
    let docs = fs::read_to_string(programs::repository().join("docs/webhook.md")).context("reading docs/webhook.md")?;
    let (_, section) = docs.split_once(SECTION).context("the docs have no way out")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```console\n$ ").skip(1).filter_map(|block| block.split("```").next());
    let command = |block: &str| block.split_once('\n').map(|(command, told)| (command.to_owned(), told.to_owned()));
    Ok(blocks.filter_map(command).collect())
}

/// Both configurations; put back when this goes out of scope and one is not there, as where a test fails half way.
pub(crate) struct Installed<'a> {
    namespace: &'a Namespace<'a>,
    configurations: Value,
}

impl<'a> Installed<'a> {
    const NAMES: [&'static str; 2] =
        ["mutatingwebhookconfiguration/release-webhook", "validatingwebhookconfiguration/release-webhook"];

    /// As they are now.
    pub(crate) fn remember(namespace: &'a Namespace<'a>) -> Self {
        let told = namespace.kubectl(["get", "-o", "json"].into_iter().chain(Self::NAMES)).run().expect_code(0);
        let mut configurations: Value = told.json();
        for configuration in configurations["items"].as_array_mut().into_iter().flatten() {
            configuration["metadata"] = json!({ "name": configuration["metadata"]["name"] });
        }
        Self { namespace, configurations }
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        if !self.namespace.kubectl(["get"].into_iter().chain(Self::NAMES)).run().is_success() {
            let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
            drop(self.namespace.kubectl(args).stdin(self.configurations.to_string()).output());
        }
    }
}

/// A Release that the schema takes and a rule does not.
fn ruled_out() -> Value {
    with(&release("web-other"), |release| {
        let labels = json!({ release_shared::names::MANAGED_BY_LABEL: "me" });
        release["spec"]["environmentName"] = "other".into();
        release["spec"]["resources"][0]["object"]["metadata"]["labels"] = labels;
    })
}

fn the_commands_of_the_docs_take_it_out_of_the_path_and_put_it_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let commands = commands()?;
    let [(out, out_told), (back, back_told)] = &commands[..] else {
        anyhow::bail!("the docs promise two commands: {commands:?}");
    };
    let run = |command: &str, expected: &str| {
        let shell: Cli<'_> = namespace.cli("sh").folder(programs::repository()).args(["-c", command]);
        let told = shell.run().expect_code(0);
        assert_eq!(told.stdout(), expected, "{command}");
    };
    let unruly = || -> Told { shop.jane.in_dry_run().create(&ruled_out()) };
    let kept = with(&created(&shop.jane, &release("web-dev")), |release| release["spec"]["interval"] = "7m".into());

    let _installed = Installed::remember(namespace);
    run(out, out_told);
    until_accepted("nobody judges any more", unruly)?;
    // Lost meanwhile: the record of a change, which later ones say.
    shop.jane.replace(&kept).unwrap();
    wait::until("a webhook that nobody calls is not ready", LIMIT, || {
        Ok((installation.webhook_health("/readyz") == Some(503)).then_some(()))
    })?;
    assert_eq!(installation.webhook_health("/livez"), Some(200));

    run(back, back_told);
    let address = installation.webhook_url().context("it was never started")?;
    system.point_to(address.trim_start_matches("https://").parse()?)?;
    wait::until("it is ready by itself", LIMIT, || {
        Ok((installation.webhook_health("/readyz") == Some(200)).then_some(()))
    })?;
    let cause = [("spec.resources[0].object.metadata.labels[openchoreo.dev/managed-by]", "ReservedLabel")];
    until_refused("the webhook judges again", unruly, 422, &cause)?;
    let changed = shop.jane.merge(&kept, &json!({ "spec": { "interval": "9m" } })).unwrap();
    assert_eq!(records(&changed).len(), 2, "changes are recorded again");
    Ok(())
}
