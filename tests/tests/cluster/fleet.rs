//! Replicas of the webhook behind a Service, replaced as a Deployment does it.

use anyhow::ensure;
use nix::sys::signal::Signal;
use release_tests::Namespace;
use release_tests::service::Service;

use super::objects::{Shop, release};
use super::person::until_accepted;
use super::webhook_certificates::replica::{Replica, Settings};
use super::webhook_certificates::system::System;

/// Three times as long as the Service takes to see that a replica is not ready; the default is as much for a kubelet that asks every 3 s.
pub(crate) const DRAIN: &str = "--drain-delay=3s";

/// Replicas behind a Service that the API server calls.
pub(crate) struct Fleet<'a> {
    pub(crate) service: Service,
    pub(crate) replicas: Vec<Replica>,
    settings: Settings<'a>,
    peak: usize,
}

impl<'a> Fleet<'a> {
    pub(crate) fn start(namespace: &Namespace<'a>, replicas: usize, flags: &[&str]) -> anyhow::Result<Self> {
        Self::of(namespace, replicas, Settings::new(namespace.control_plane(), "fleet", flags)?)
    }

    /// As many with these settings.
    pub(crate) fn of(namespace: &Namespace<'a>, replicas: usize, settings: Settings<'a>) -> anyhow::Result<Self> {
        let mut fleet = Self { service: Service::start()?, replicas: Vec::new(), settings, peak: 0 };
        for _ in 0..replicas {
            fleet.grow()?;
        }
        System(namespace).point_to(fleet.service.address)?;
        let jane = Shop::people(namespace)?.jane.in_dry_run();
        until_accepted("the API server reaches the replicas", || jane.create(&release("probe")))?;
        Ok(fleet)
    }

    /// One more replica, which is ready and gets its share.
    pub(crate) fn grow(&mut self) -> anyhow::Result<()> {
        let replica = self.settings.launch()?;
        self.service.add(replica.address, replica.health)?;
        self.replicas.push(replica);
        Ok(())
    }

    /// The oldest is asked to end when a newer one is ready, and ends by itself.
    pub(crate) fn replace_one(&mut self) -> anyhow::Result<()> {
        self.grow()?;
        let mut oldest = self.replicas.remove(0);
        self.peak = self.peak()?.max(oldest.peak()?);
        oldest.signal(Signal::SIGTERM)?;
        ensure!(oldest.wait()?, "it did not end with 0");
        ensure!(!self.service.has(oldest.address), "it was ready to the end");
        self.service.remove(oldest.address);
        Ok(())
    }

    /// How much memory any of them had at most.
    pub(crate) fn peak(&self) -> anyhow::Result<usize> {
        self.replicas.iter().try_fold(self.peak, |most, replica| Ok(most.max(replica.peak()?)))
    }
}
