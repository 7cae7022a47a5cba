//! `release_fuzz::duration` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| release_fuzz::duration(data));
