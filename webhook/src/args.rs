//! The program's settings: flags, each with a variable of the environment.

use std::net::SocketAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use release_edge::log;
use release_edge::program::duration;
use release_shared::names;
use release_shared::types::dns_label_fault;
use rustls::pki_types::ServerName;

use crate::limits::Limits;
use crate::tls;

/// Validates, defaults and stamps releases before anything is persisted.
///
/// It makes its own certificates, keeps them in the Secret `release-webhook-tls` and writes their authority into the webhook
/// configurations named `release-webhook`, unless certificates are mounted as files. The connection to the API server is the usual one: the account of the pod, or KUBECONFIG.
#[derive(Debug, Parser)]
#[command(name = "release-webhook", version)]
pub(crate) struct Args {
    /// Where the API server's calls are answered (TLS)
    #[arg(long, env = "RELEASE_WEBHOOK_LISTEN", default_value = "[::]:9443", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,

    /// Where /livez and /readyz are answered (plain HTTP)
    #[arg(long, env = "RELEASE_WEBHOOK_HEALTH_LISTEN", default_value = "[::]:8081", value_name = "ADDRESS")]
    pub(crate) health_listen: SocketAddr,

    /// The namespace that this program runs in and keeps its Secret in
    #[arg(long, env = "RELEASE_WEBHOOK_NAMESPACE", default_value = names::SYSTEM_NAMESPACE, value_parser = namespace, value_name = "NAME")]
    pub(crate) namespace: String,

    /// A name or address that the certificate is for, repeatable [default: the Service release-webhook in the namespace]
    #[arg(long, env = "RELEASE_WEBHOOK_SERVING_NAMES", value_delimiter = ',', value_parser = serving_name, value_name = "NAME")]
    pub(crate) serving_name: Vec<String>,

    #[command(flatten)]
    pub(crate) tls: tls::Settings,

    /// An account that may name the person behind a change, repeatable, such as system:serviceaccount:flux-system:kustomize-controller
    #[arg(long, env = "RELEASE_WEBHOOK_ON_BEHALF_OF", value_delimiter = ',', value_name = "ACCOUNT", value_parser = account)]
    pub(crate) on_behalf_of: Vec<String>,

    /// How long calls are still taken after SIGTERM, while the other replicas take over
    #[arg(long, env = "RELEASE_WEBHOOK_DRAIN_DELAY", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_delay: Duration,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// What is logged, as `level` or `target=level`, comma-separated
    #[arg(long, env = "RELEASE_WEBHOOK_LOG", default_value = "info", value_parser = log::filter, value_name = "FILTER")]
    pub(crate) log: log::Filter,
}

fn namespace(text: &str) -> Result<String, String> {
    dns_label_fault(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// What a certificate can be for.
fn serving_name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write a name or an address, such as release-webhook.release-system.svc or 127.0.0.1".to_owned()),
    }
}

/// The name of a user as the API server has it. An empty one would be nobody, and spaces are a slip.
fn account(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("write the name of a user, such as system:serviceaccount:NAMESPACE:NAME".to_owned());
    }
    Ok(text.to_owned())
}

/// What the names of our variables begin with.
const PREFIX: &str = "RELEASE_WEBHOOK_";

/// Whether Kubernetes puts a variable of this name into pods beside a Service whose name begins with ours, such as
/// `RELEASE_WEBHOOK_SERVICE_HOST` or `RELEASE_WEBHOOK_PORT_443_TCP_ADDR`.
fn is_link(name: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part)) || name.ends_with("_PORT")
}

/// The first of what clap has to say: what is wrong. Help stays whole.
fn in_short(error: clap::Error) -> clap::Error {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return error;
    }
    let told = error.to_string();
    let paragraph = told.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.trim_start_matches("error:").split_whitespace().collect();
    clap::Error::raw(error.kind(), format!("{}\n", words.join(" ")))
}

impl Args {
    /// The settings that were given. Ends the program with one sentence where they make no sense, and after `--help` and `--version`.
    pub(crate) fn read() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let read = Self::try_parse().and_then(|args| args.checked(variables));
        read.unwrap_or_else(|error| in_short(error).exit())
    }

    /// # Errors
    /// When settings contradict each other, or a variable sets nothing.
    fn checked(self, variables: impl Iterator<Item = String>) -> Result<Self, clap::Error> {
        let told = self.tls.check().and_then(|()| self.limits.check()).and_then(|()| self.check(variables));
        told.map_err(|sentence| Self::command().error(ErrorKind::ValueValidation, sentence))?;
        Ok(self)
    }

    fn check(&self, mut variables: impl Iterator<Item = String>) -> Result<(), String> {
        if self.listen == self.health_listen {
            return Err(format!(
                "--listen and --health-listen are both {}; give one of them another port",
                self.listen
            ));
        }
        let command = Self::command();
        let known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
        match variables.find(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()) && !is_link(name)) {
            Some(name) => Err(format!("the variable {name} sets nothing; `--help` lists those that do")),
            None => Ok(()),
        }
    }

    /// The names that the certificate is for.
    pub(crate) fn serving_names(&self) -> Vec<String> {
        let service = format!("{}.{}.svc", names::WEBHOOK, self.namespace);
        if self.serving_name.is_empty() { vec![service] } else { self.serving_name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_for_the_service_unless_names_are_given() {
        let names = |words: &[&str]| Args::parse_from([&["release-webhook"], words].concat()).serving_names();
        assert_eq!(names(&[]), ["release-webhook.release-system.svc"]);
        assert_eq!(names(&["--namespace", "x"]), ["release-webhook.x.svc"]);
        assert_eq!(names(&["--serving-name", "127.0.0.1", "--serving-name", "localhost"]), ["127.0.0.1", "localhost"]);
    }

    #[test]
    fn accounts_are_named_one_by_one_or_with_commas() {
        let accounts = |words: &[&str]| {
            Args::try_parse_from([&["release-webhook"], words].concat()).map(|args| args.on_behalf_of).ok()
        };
        assert_eq!(accounts(&[]), Some(vec![]));
        let both = Some(vec!["system:serviceaccount:a:b".to_owned(), "c@d".to_owned()]);
        assert_eq!(accounts(&["--on-behalf-of", "system:serviceaccount:a:b", "--on-behalf-of=c@d"]), both);
        assert_eq!(accounts(&["--on-behalf-of", "system:serviceaccount:a:b,c@d"]), both);
        for bad in ["", "a,", "a, b"] {
            assert_eq!(accounts(&["--on-behalf-of", bad]), None, "{bad}");
        }
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_refused() {
        assert!(Args::try_parse_from(["release-webhook", "--drain-delay", "10 seconds"]).is_err());
        assert!(Args::try_parse_from(["release-webhook", "--listen", "nowhere"]).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_in_one_sentence() {
        let told = |words: &[&str], variables: &[&str]| {
            let variables = variables.iter().map(|&name| name.to_owned());
            let args = Args::try_parse_from([&["release-webhook"], words].concat());
            args.and_then(|args| args.checked(variables)).map_err(|error| in_short(error).to_string())
        };
        let links = ["RELEASE_WEBHOOK_SERVICE_HOST", "RELEASE_WEBHOOK_SERVICE_PORT_HTTPS", "RELEASE_WEBHOOK_PORT"];
        let links = [&links[..], &["RELEASE_WEBHOOK_PORT_443_TCP_ADDR", "RELEASE_WEBHOOK_LOG", "HOME"]].concat();
        assert!(told(&["--drain-delay=5s"], &links).is_ok());
        let wrong: [(&[&str], &[&str]); 15] = [
            (&["--lisen=[::]:1"], &[]),
            (&["--tls-certificate=tls.crt"], &[]),
            (&["--tls-certificate=a", "--tls-key=b", "--leaf-lifetime=1h"], &[]),
            (&["--drain-delay=soon"], &[]),
            (&["--idle-timeout=60s"], &[]),
            (&["--body-timeout=20s"], &[]),
            (&["--ca-lifetime=30s", "--leaf-lifetime=10s"], &[]),
            (&["--listen=[::]:1", "--health-listen=[::]:1"], &[]),
            (&["serve"], &[]),
            (&["--namespace=Team A"], &[]),
            (&["--serving-name="], &[]),
            (&["--serving-name=a b"], &[]),
            (&["--log=inof"], &[]),
            (&["--log=info,hyper=loud"], &[]),
            (&[], &["RELEASE_WEBHOOK_DRAIN"]),
        ];
        let all: String = wrong.iter().map(|(words, variables)| told(words, variables).unwrap_err()).collect();
        insta::assert_snapshot!(all);
    }

    #[test]
    fn every_flag_has_a_variable_and_is_documented() {
        let docs = include_str!("../../docs/webhook.md").to_owned() + include_str!("../../docs/certificates.md");
        for argument in Args::command().get_arguments() {
            let Some(flag) = argument.get_long() else { continue };
            if ["help", "version"].contains(&flag) {
                continue;
            }
            let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(variable.starts_with(PREFIX), "--{flag} has no variable");
            assert!(argument.get_help().is_some(), "--{flag} has no help");
            assert!(docs.contains(&format!("`--{flag} ")), "--{flag} is not documented");
            assert!(docs.contains(&format!("`{variable}`")), "{variable} is not documented");
        }
    }
}
