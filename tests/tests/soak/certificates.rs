//! Certificates are replaced under load, one after the other.

use release_tests::{Namespace, trials};

use super::report::{Report, scaled};
use crate::cluster::webhook_certificates::replace_under_load;

trials! { admission: certificates_are_replaced_under_load_and_no_call_fails }

const LEAVES: usize = 200;
const AUTHORITIES: usize = 20;

fn certificates_are_replaced_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let report = Report::begin("certificates");
    let (leaves, authorities) = (scaled(LEAVES, 3)?, scaled(AUTHORITIES, 1)?);
    let counts = replace_under_load(namespace, leaves, authorities)?;
    report.say(format!("leaf {leaves} times, authority {authorities} times: {counts}"));
    Ok(())
}
