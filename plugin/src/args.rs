//! What was typed: flags and words, nothing looked up yet.

mod change;
mod examples;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use release_shared::snapshot::{Image, Lift, ObjectRef};

pub(crate) use self::change::{Configure, Delete, Limit, Rollback, There, Waiting};

/// Cut a release, promote it along the environments, and see who changed what, when and why.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-release",
    bin_name = "kubectl release",
    version,
    max_term_width = 110,
    subcommand_required = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or bad usage, 3 refused, 4 conflict, 5 timed out waiting, 6 ended Degraded, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster, as kubectl has it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The namespace of projects, components and environments [default: that of the context]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The kubeconfig file [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig file
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) context: Option<String>,
    /// The cluster of the kubeconfig file
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) cluster: Option<String>,
    /// The user of the kubeconfig file
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// The address of the API server
    #[arg(short = 's', long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// A bearer token
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) token: Option<String>,
    /// The name that the API server's certificate must have
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) tls_server_name: Option<String>,
    /// Trust any certificate of the API server; insecure
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// The file with the authority of the API server's certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// The file with the client's certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_certificate: Option<String>,
    /// The file with the client's key
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_key: Option<String>,
    /// The user to impersonate
    #[arg(long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub(crate) as_user: Option<String>,
    /// A group to impersonate, repeatable
    #[arg(long = "as-group", global = true, value_name = "GROUP", hide_short_help = true)]
    pub(crate) as_group: Vec<String>,
    /// The uid to impersonate
    #[arg(long = "as-uid", global = true, value_name = "UID", hide_short_help = true)]
    pub(crate) as_uid: Option<String>,
    /// How long one request may take, as 30 or 30s; 0 = for ever
    #[arg(long, global = true, value_name = "DURATION", default_value = "0", hide_short_help = true)]
    pub(crate) request_timeout: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a project with its environments and the pipeline through them
    Init(Init),
    /// Cut a release from manifests and pin it where releases enter
    Create(Create),
    /// Pin in an environment what runs in the environment before it
    Promote(Promote),
    /// Go back to the last healthy revision, configuration included
    #[command(after_help = examples::ROLLBACK)]
    Rollback(Rollback),
    /// Set or remove configuration values of an environment
    #[command(after_help = examples::CONFIGURE)]
    Configure(Configure),
    /// Restart the workloads one by one
    #[command(after_help = examples::RESTART)]
    Restart(There),
    /// Remove the live objects, and keep the pin with its history
    #[command(after_help = examples::UNDEPLOY)]
    Undeploy(There),
    /// Bring the live objects back
    #[command(after_help = examples::REDEPLOY)]
    Redeploy(There),
    /// Remove a component from an environment, or altogether
    #[command(after_help = examples::DELETE)]
    Delete(Delete),
    /// Show who changed what, when and why, newest first
    History(History),
    /// Show what is pinned where
    #[command(visible_alias = "ls")]
    List(List),
    /// Show what is pinned, by whom and since when, and how it is doing
    Status(Status),
    /// Show what differs between a pin and what is live, another environment, or another revision
    Diff(Diff),
    /// Print the manifests that a pin renders to
    Get(Get),
    /// Show the objects of a pin down to their pods, with their health
    Tree(Tree),
    /// Check manifests and releases without a cluster
    Lint(Lint),
    /// Print the version
    Version(Version),
}

/// What every command that changes something takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Write {
    /// Why; it stands in the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// A URL that says more; it stands in the history
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    /// Go past a freeze or the pipeline's paths: it needs the permission `bypass`, and stands in the history
    #[arg(long, requires = "reason")]
    pub(crate) bypass: bool,
    /// Change nothing: `client` sends nothing, `server` lets the cluster judge
    #[arg(long, value_enum, value_name = "WHERE", default_value = "none", default_missing_value = "client", num_args = 0..=1, require_equals = true)]
    pub(crate) dry_run: DryRun,
    /// Show what would change in the rendered objects, and ask
    #[arg(long)]
    pub(crate) diff: bool,
    /// Take over fields that another field manager owns
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    #[default]
    None,
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
    Name,
    Wide,
}

#[derive(Debug, Args)]
#[command(after_help = examples::INIT)]
pub(crate) struct Init {
    /// The project
    pub(crate) project: String,
    /// Its environments, in the order in which releases go through them
    #[arg(long, required = true, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) environments: Vec<String>,
    /// An environment that is production, repeatable
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) production: Vec<String>,
    #[command(flatten)]
    pub(crate) write: Write,
}

/// Where manifests come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Files {
    /// A file, folder, URL, or - for standard input, repeatable
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Vec<String>,
    /// Read folders with all that is below them
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// A folder with a kustomization; kubectl builds it
    #[arg(short, long, value_name = "DIR", conflicts_with = "filename")]
    pub(crate) kustomize: Option<String>,
}

/// What is made of manifests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Cutting {
    /// Use REF where an image is called NAME, repeatable
    #[arg(long, value_name = "NAME=REF")]
    pub(crate) image: Vec<Image>,
    /// Make a place a configuration value, repeatable
    #[arg(long, value_name = "KEY=Kind/name:/json/pointer")]
    pub(crate) lift: Vec<Lift>,
    /// Leave an object out, repeatable
    #[arg(long, value_name = "Kind/NAME")]
    pub(crate) skip: Vec<ObjectRef>,
    /// Keep the namespaces that manifests name
    #[arg(long)]
    pub(crate) keep_namespace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::CREATE)]
pub(crate) struct Create {
    /// The component; it is made when it is missing
    pub(crate) component: String,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) cutting: Cutting,
    /// The project, where the namespace has several
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// The human version
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Where to pin it, where the pipeline has several entrances
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: Option<String>,
    /// Cut the release and pin it nowhere
    #[arg(long, conflicts_with_all = ["to", "wait"])]
    pub(crate) no_deploy: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

#[derive(Debug, Args)]
#[command(after_help = examples::PROMOTE)]
pub(crate) struct Promote {
    /// The component
    pub(crate) component: String,
    /// The environment that it goes to
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: Option<String>,
    /// The environment that it comes from
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) from: Option<String>,
    /// A release by name or version, instead of what runs in the environment before
    #[arg(long, value_name = "NAME|VERSION")]
    pub(crate) release: Option<String>,
    /// A configuration value of the target, repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,
    /// Forget the target's own configuration values first
    #[arg(long)]
    pub(crate) reset_config: bool,
    /// Wait, and go back to the last healthy revision when it does not become healthy in time
    #[arg(long)]
    pub(crate) atomic: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

#[derive(Debug, Args)]
#[command(after_help = examples::HISTORY)]
pub(crate) struct History {
    /// A component, or KIND/NAME for another object, such as release/web or deploymentpipeline/shop
    #[arg(required_unless_present_any = ["all", "all_namespaces"])]
    pub(crate) component: Option<String>,
    /// One of its environments
    pub(crate) environment: Option<String>,
    /// Every binding of the namespace
    #[arg(long, conflicts_with_all = ["component", "environment"])]
    pub(crate) all: bool,
    /// Every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "NUMBER")]
    pub(crate) limit: Option<usize>,
    /// Not older than this: a duration such as 24h, or a time such as 2026-01-02T15:04:05Z
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Made by this user
    #[arg(long, value_name = "USER")]
    pub(crate) by: Option<String>,
    /// Everything about one revision
    #[arg(long, value_name = "NUMBER")]
    pub(crate) revision: Option<u64>,
    /// Check that the records hold together and are signed
    #[arg(long)]
    pub(crate) verify: bool,
    /// A hash that you noted must be in the history, of one object
    #[arg(long, value_name = "HASH", requires = "verify")]
    pub(crate) expect: Option<String>,
    /// The public keys, PEM or a ConfigMap, instead of those in the cluster
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub(crate) keys: Option<String>,
    /// A time such as 2026-01-02T15:04:05Z by which records were signed, where the keys say none or a later one
    #[arg(long, value_name = "TIME", requires = "verify")]
    pub(crate) signed_since: Option<String>,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::LIST)]
pub(crate) struct List {
    /// Every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Bindings with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// One project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Only components whose environments do not all run the same release
    #[arg(long)]
    pub(crate) skew: bool,
    /// Only what is not healthy
    #[arg(long)]
    pub(crate) problems: bool,
    /// How many there are, by health and by version
    #[arg(long)]
    pub(crate) summary: bool,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::STATUS)]
pub(crate) struct Status {
    /// A component, or release/NAME for a Release that somebody wrote by hand
    pub(crate) component: String,
    /// One of its environments
    pub(crate) environment: Option<String>,
    /// Follow what happens until it is settled
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How long to follow, as 30s or 5m; 0 = for ever
    #[arg(long, value_name = "DURATION", default_value = "0", requires = "watch")]
    pub(crate) timeout: Limit,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// The formats of commands whose own form is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    Json,
    Yaml,
    Name,
}

impl From<PlainFormat> for Format {
    fn from(format: PlainFormat) -> Self {
        match format {
            PlainFormat::Json => Self::Json,
            PlainFormat::Yaml => Self::Yaml,
            PlainFormat::Name => Self::Name,
        }
    }
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Against {
    /// The objects as they are.
    Live,
    /// What another environment pins.
    Environment(String),
    /// Another revision of the same pin.
    Revision(u64),
}

impl std::str::FromStr for Against {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(environment) = text.strip_prefix("environment/") {
            return Ok(Self::Environment(environment.to_owned()));
        }
        Ok(match (text, text.parse()) {
            ("live", _) => Self::Live,
            (_, Ok(revision)) => Self::Revision(revision),
            _ => Self::Environment(text.to_owned()),
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = examples::DIFF)]
pub(crate) struct Diff {
    /// The component, or release/NAME for a Release by itself
    pub(crate) component: String,
    /// One of its environments
    pub(crate) environment: Option<String>,
    /// The revision that is compared [default: what is pinned now]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) revision: Option<u64>,
    /// What it is compared with; environment/NAME for one that is called `live` or a number
    #[arg(long, value_name = "live|ENVIRONMENT|REVISION", default_value = "live")]
    pub(crate) against: Against,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<PlainFormat>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::GET)]
pub(crate) struct Get {
    /// The component, or release/NAME for a Release by itself
    pub(crate) component: String,
    /// One of its environments
    pub(crate) environment: Option<String>,
    /// The revision [default: what is pinned now]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) revision: Option<u64>,
    /// Write a file for each object into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// How they are printed
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "yaml")]
    pub(crate) output: PlainFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::TREE)]
pub(crate) struct Tree {
    /// The component, or release/NAME for a Release by itself
    pub(crate) component: String,
    /// One of its environments
    pub(crate) environment: Option<String>,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<PlainFormat>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::LINT)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) cutting: Cutting,
    /// The component that the manifests would be released as
    #[arg(long, value_name = "NAME", default_value = "component")]
    pub(crate) component: String,
}

#[derive(Debug, Args)]
#[command(after_help = examples::VERSION)]
pub(crate) struct Version {
    /// Accepted as kubectl has it; only this program's version is ever asked for
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) client: bool,
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn command_lines() {
        let parse = |line: &str| Cli::try_parse_from(format!("kubectl-release {line}").split(' ')).map(drop);
        for good in [
            "init shop --environments dev,staging",
            "create shop -f a.yaml -f b.yaml --lift replicas=Deployment/shop:/spec/replicas --reason why -n acme",
            "create shop -k overlay --dry-run=server -o yaml",
            "promote shop",
            "promote shop --to staging --config replicas=5 --dry-run",
            "promote shop --atomic --wait=2m",
            "promote shop --bypass --reason why",
            "rollback shop production --bypass --reason why",
            "rollback shop staging --to-revision 4 --wait",
            "configure shop staging replicas=5 debug- --reason why",
            "restart shop staging --wait=0",
            "undeploy shop staging",
            "redeploy shop staging --wait=90",
            "delete shop -y",
            "delete shop staging --dry-run=server",
            "history shop dev --limit 3 -o json",
            "history -A",
            "history shop dev --verify --expect abc --keys keys.pem",
            "history shop -A",
            "ls -A",
            "ls --problems --summary",
            "status shop",
            "diff shop staging",
            "diff shop staging --revision 3 --against production -o json",
            "get shop staging --output-dir out",
            "get release/shop -o name",
            "tree shop staging",
            "status release/shop -w --timeout 30s",
            "lint -f -",
            "version -o json --client",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
        for bad in [
            "",
            "history",
            "history shop --expect abc",
            "history shop --keys keys.pem",
            "create",
            "init shop",
            "promote shop --dry-run=maybe",
            "create shop -f x --image nonsense",
            "create shop -f x -k y",
            "create shop -f x --lift nonsense",
            "status shop -o toml",
            "get shop staging --revision 0",
            "get shop staging -o wide",
            "get shop staging -o json --output-dir out",
            "status shop --timeout 30s",
            "create shop -f x --no-deploy --wait",
            "promote shop --bypass",
            "rollback shop staging --bypass --link https://example.org",
            "rollback shop",
            "rollback shop staging --wait=soon",
            "configure shop staging",
            "undeploy shop",
            "delete",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_other_side_is_live_or_a_revision_or_an_environment() {
        let parse = |text: &str| text.parse::<Against>().unwrap();
        let environment = |name: &str| Against::Environment(name.to_owned());
        assert_eq!(parse("live"), Against::Live);
        assert_eq!(parse("12"), Against::Revision(12));
        assert_eq!(parse("staging"), environment("staging"));
        assert_eq!(parse("environment/live"), environment("live"));
        assert_eq!(parse("environment/12"), environment("12"));
    }
}
