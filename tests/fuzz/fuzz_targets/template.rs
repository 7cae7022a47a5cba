//! `release_fuzz::template` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| release_fuzz::template(data));
