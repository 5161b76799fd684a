#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millrace_fuzz::record_targets::batch_records(data));
