//! What every test of the record ends with: the true authors in place, in the object and in the audit log.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use release_shared::record::{Evidence, Finding, Record, examine};
use release_tests::wait;
use serde_json::Value;

use super::audit;
use super::objects::{author, kind, records};
use super::person::Person;
use super::record_signed::public_keys;

/// Until an answered request stands in the audit log.
const LIMIT: Duration = Duration::from_secs(30);

/// The prefix of the audit annotations in which the webhook tells the hash of a record.
const IN_THE_LOG: &str = "validate.release.openchoreo.dev/record-";

/// Goes on only when the record of an object, as it is stored, is that of these changes and no others: one revision for each, by
/// whom and with which field manager, held together from the first, signed by a published key, the last one of the
/// content that is stored, and each in the audit log under the name of its author. Returns the object.
#[track_caller]
pub(crate) fn recorded(admin: &Person<'_>, object: &Value, authors: &[(&str, &str)]) -> anyhow::Result<Value> {
    let stored = admin.get(object).unwrap_or_else(|status| panic!("cannot be read: {status:?}"));
    let history = records(&stored);
    let made: Vec<_> = history.iter().map(by_and_manager).collect();
    let expected: Vec<_> = authors.iter().map(|(by, manager)| author(by, manager)).collect();
    assert_eq!(made, expected, "{stored:#}");
    let revisions: Vec<_> = history.iter().map(|record| record.revision).collect();
    assert_eq!(revisions, (1..=authors.len() as u64).collect::<Vec<_>>(), "{stored:#}");
    let keys = public_keys(admin.namespace());
    let found = examine(kind(&stored), &stored, &Evidence { keys: Some(&keys), ..Evidence::default() });
    let faults: Vec<_> = found.into_iter().filter(Finding::is_fault).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new(), "{stored:#}");
    let is_signed = |record: &Record| record.key.is_some() && record.sig.is_some();
    assert!(history.iter().all(is_signed), "a record is not signed: {stored:#}");
    assert!(history.iter().all(|record| record.dry_run.is_none()), "a record of a dry run is stored: {stored:#}");
    assert!(history.is_sorted_by_key(|record| record.at.as_str()), "time runs backwards: {stored:#}");
    until_logged(admin, &history)?;
    Ok(stored)
}

fn by_and_manager(record: &Record) -> (String, String) {
    (record.by.clone(), record.manager.clone().unwrap_or_default())
}

/// Waits until the audit log has the hash of each of these records beside the request of its author. The key ends in the version
/// that the write replaced: `0` for the one that made the object.
pub(crate) fn until_logged(admin: &Person<'_>, history: &[Record]) -> anyhow::Result<()> {
    let logged = || {
        let all = audit::annotations(admin.namespace(), IN_THE_LOG)?;
        let hashes = all.into_iter().map(|(by, key, hash)| (hash, (by, key)));
        anyhow::Ok(hashes.collect::<BTreeMap<_, _>>())
    };
    let missing = || -> anyhow::Result<Vec<u64>> {
        let logged = logged()?;
        let is_there = |record: &&Record| {
            let found = record.hash.as_ref().and_then(|hash| logged.get(hash));
            found.is_some_and(|(by, key)| *by == record.by && key.ends_with("/record-0") == (record.revision == 1))
        };
        Ok(history.iter().filter(|record| !is_there(record)).map(|record| record.revision).collect())
    };
    wait::until("the audit log has every record", LIMIT, || Ok(missing()?.is_empty().then_some(())))
        .with_context(|| format!("missing: {:?}, logged: {:#?}", missing().ok(), logged().ok()))
}
