//! Where certificates come from, how long they live, and who may call.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use release_edge::program::duration;

use super::Lifetimes;
use super::files::Paths;

/// The shortest life of a leaf: what is shorter is renewed all the time.
const SHORTEST: Duration = Duration::from_secs(10);

/// The flags about certificates.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// A file with the certificate to serve, and what is between it and its authority (PEM) [default: makes its own]
    #[arg(long, env = "RELEASE_WEBHOOK_TLS_CERTIFICATE", requires = "tls_key", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,

    /// A file with the key of that certificate (PEM)
    #[arg(long, env = "RELEASE_WEBHOOK_TLS_KEY", requires = "tls_certificate", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// How long a new authority must have been in the webhook configurations before what it signed is served
    #[arg(long, env = "RELEASE_WEBHOOK_CA_PROPAGATION", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    ca_propagation: Duration,

    /// How long its own authority is valid; another one is made when less than a third is left
    #[arg(long, env = "RELEASE_WEBHOOK_CA_LIFETIME", default_value = "8760h", value_parser = duration, value_name = "DURATION", conflicts_with = "tls_certificate")]
    ca_lifetime: Duration,

    /// How long its own certificate is valid; another one is made when less than a third is left
    #[arg(long, env = "RELEASE_WEBHOOK_LEAF_LIFETIME", default_value = "2160h", value_parser = duration, value_name = "DURATION", conflicts_with = "tls_certificate")]
    leaf_lifetime: Duration,

    /// A file with authorities (PEM): who calls must show a client certificate of one of them [default: nobody is asked]
    #[arg(long, env = "RELEASE_WEBHOOK_CLIENT_CA", value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,

    /// A name of the caller's certificate, repeatable: common name, host name or URI [default: any]
    #[arg(
        long,
        env = "RELEASE_WEBHOOK_CLIENT_NAMES",
        requires = "client_ca",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(super) client_name: Vec<String>,
}

impl Settings {
    /// Whether they make sense together.
    ///
    /// # Errors
    /// One sentence on what to change.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.leaf_lifetime < SHORTEST {
            return Err(format!(
                "--leaf-lifetime is shorter than {} s; let certificates live longer",
                SHORTEST.as_secs()
            ));
        }
        if self.ca_lifetime < self.leaf_lifetime * 3 {
            return Err(
                "--ca-lifetime is shorter than three times --leaf-lifetime; an authority must outlive what it signs"
                    .to_owned(),
            );
        }
        // Another authority is made when a third of the one before is left: it has to sign before that is over. Who mounts files has
        // authorities whose life is not known here.
        if self.files().is_none() && self.ca_propagation >= self.ca_lifetime / 3 {
            return Err(
                "--ca-propagation is not below a third of --ca-lifetime; an authority would expire before the next one signs"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Where certificate and key are, if they are mounted.
    pub(super) fn files(&self) -> Option<Paths> {
        Some(Paths { certificate: self.tls_certificate.clone()?, key: self.tls_key.clone()? })
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { propagation: self.ca_propagation, leaf: self.leaf_lifetime, authority: self.ca_lifetime }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
    }

    fn told(flags: &[&str]) -> Result<(), String> {
        let program = Program::try_parse_from([&["program"], flags].concat());
        program.map_err(|error| error.to_string())?.settings.check()
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let files = ["--tls-certificate=tls.crt", "--tls-key=tls.key"];
        assert_eq!(told(&[]), Ok(()));
        assert_eq!(told(&files), Ok(()));
        assert_eq!(told(&["--client-ca=ca.crt", "--client-name=a", "--client-name=b"]), Ok(()));
        assert_eq!(told(&["--leaf-lifetime=10s", "--ca-lifetime=30s", "--ca-propagation=9s"]), Ok(()));
        assert_eq!(
            told(&[files[0], files[1], "--ca-propagation=5000h"]),
            Ok(()),
            "nothing is known of those authorities"
        );
        for (flags, part) in [
            (&files[..1], "--tls-key"),
            (&files[1..], "--tls-certificate"),
            (&[files[0], files[1], "--leaf-lifetime=1h"], "cannot be used with"),
            (&["--client-name=a"], "--client-ca"),
            (&["--leaf-lifetime=9s"], "--leaf-lifetime is shorter than 10 s"),
            (&["--leaf-lifetime=1h", "--ca-lifetime=2h"], "three times"),
            (&["--leaf-lifetime=10s", "--ca-lifetime=30s"], "--ca-propagation is not below a third of --ca-lifetime"),
            (&["--leaf-lifetime=10s", "--ca-lifetime=30s", "--ca-propagation=10s"], "--ca-propagation is not below"),
            (&["--ca-propagation=soon"], "soon"),
        ] {
            let told = told(flags).unwrap_err();
            assert!(told.contains(part), "{flags:?}: {told}");
        }
    }
}
