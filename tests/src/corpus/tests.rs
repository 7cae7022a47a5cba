use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn there_are_many_cases_and_each_has_its_own_name() {
    let cases = all();
    assert!(cases.len() >= 1000, "only {} cases", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "{:?}",
        cases
            .iter()
            .find(|case| cases.iter().filter(|other| other.name == case.name).count() > 1)
            .map(|case| &case.name)
    );
}

#[test]
fn they_are_the_same_in_every_run() {
    let [first, second] =
        [all(), all()].map(|cases| cases.into_iter().map(|case| (case.name, case.new)).collect::<Vec<_>>());
    assert!(first == second);
}

#[test]
fn objects_that_are_stored_under_one_name_are_one() {
    let mut stored: BTreeMap<(Kind, String), Value> = BTreeMap::new();
    for case in all() {
        let Some(old) = &case.old else { continue };
        let name = old["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        assert_eq!(case.new["metadata"]["name"], name, "{}", case.name);
        let known = stored.entry((case.kind, name)).or_insert_with(|| old.clone());
        assert_eq!(known, old, "{}", case.name);
    }
}

#[test]
fn the_bases_are_fine() {
    for kind in Kind::ALL {
        let case = Case { name: String::new(), kind, old: None, new: base::object(kind) };
        assert_eq!(case.violations(None, None), [], "{kind}");
    }
}

#[test]
fn a_written_case_is_what_it_says() {
    let wrong: Vec<_> = written::cases()
        .into_iter()
        .filter_map(|written| {
            let found = codes_of(&written.case.violations(None, None));
            let expected: BTreeSet<_> = written.is_refused.then_some(written.code).into_iter().collect();
            (found != expected).then(|| format!("{}: {found:?}", written.case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_code_is_in_the_table_and_in_the_sources() {
    let listed: BTreeSet<_> = codes::CODES.iter().chain(codes::OF_MANIFESTS).map(|code| code.code.to_owned()).collect();
    let in_sources = sources::codes().expect("the sources are here");
    let missing: Vec<_> = in_sources.iter().filter(|(code, _)| !listed.contains(*code)).collect();
    assert!(missing.is_empty(), "not in tests/src/corpus/codes.rs: {missing:#?}");
    let gone: Vec<_> = listed.iter().filter(|code| !in_sources.contains_key(*code)).collect();
    assert!(gone.is_empty(), "no longer in the sources: {gone:?}");
}

#[test]
fn codes_are_in_order() {
    for list in [codes::CODES, codes::OF_MANIFESTS] {
        assert!(list.is_sorted_by(|a, b| a.code < b.code));
    }
}
