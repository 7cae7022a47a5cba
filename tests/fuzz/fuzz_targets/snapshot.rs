//! `release_fuzz::snapshot` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| release_fuzz::snapshot(data));
