//! The program's settings: flags, each with a variable of the environment.

use std::net::SocketAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use release_edge::program::duration;
use release_shared::names;

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
    #[arg(long, env = "RELEASE_WEBHOOK_NAMESPACE", default_value = names::SYSTEM_NAMESPACE, value_name = "NAME")]
    pub(crate) namespace: String,

    /// A name or address that the certificate is for, repeatable [default: the Service release-webhook in the namespace]
    #[arg(long, env = "RELEASE_WEBHOOK_SERVING_NAMES", value_delimiter = ',', value_name = "NAME")]
    pub(crate) serving_name: Vec<String>,

    #[command(flatten)]
    pub(crate) tls: tls::Settings,

    /// An account that may name the person behind a change, repeatable, such as system:serviceaccount:flux-system:kustomize-controller
    #[arg(long, env = "RELEASE_WEBHOOK_ON_BEHALF_OF", value_delimiter = ',', value_name = "ACCOUNT", value_parser = account)]
    pub(crate) on_behalf_of: Vec<String>,

    /// How long calls are still taken after SIGTERM, while the other replicas take over
    #[arg(long, env = "RELEASE_WEBHOOK_DRAIN_DELAY", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_delay: Duration,

    /// What is logged, as `level` or `target=level`, comma-separated
    #[arg(long, env = "RELEASE_WEBHOOK_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
}

/// The name of a user as the API server has it. An empty one would be nobody, and spaces are a slip.
fn account(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("write the name of a user, such as system:serviceaccount:NAMESPACE:NAME".to_owned());
    }
    Ok(text.to_owned())
}

impl Args {
    /// The settings that were given. Ends the program with one sentence where they make no sense.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if let Err(sentence) = args.tls.check() {
            Self::command().error(ErrorKind::ValueValidation, sentence).exit();
        }
        args
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
}
