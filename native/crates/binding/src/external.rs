//! Owns how bytes become JavaScript's: memory of ours lent to it, or copies in memory of its own. Never lends what could go before JavaScript
//! lets go of it. Invariant: the owner of lent bytes is dropped once, after the last value that shows them.
//!
//! Copies are the rule: a lent buffer costs V8 a tracked allocation and a finalizer that runs a turn later, and memory that was never touched,
//! where V8's own is warm (64 KiB: 194 µs lent in a loop against 6 µs copied; bench row `crossing`). Lending is for memory that must be shared.
//! Some hosts (Electron) refuse lent memory; then the caller gets None and copies, and the refusal is counted.

#![allow(unsafe_code, reason = "Node-API is a C interface")]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use napi::bindgen_prelude::ToNapiValue;
use napi::{Env, check_status, sys};

/// One in this many lent bytes counts as memory of JavaScript's.
const COUNTED_PART: i64 = 8;

/// How often this process's host refused lent memory.
static REFUSED: AtomicU32 = AtomicU32::new(0);

pub fn refused_external_buffers() -> u32 {
    REFUSED.load(Ordering::Relaxed)
}

/// A JavaScript value that goes straight back to JavaScript.
pub struct JsBytes(sys::napi_value);

impl ToNapiValue for JsBytes {
    unsafe fn to_napi_value(_env: sys::napi_env, bytes: Self) -> napi::Result<sys::napi_value> {
        Ok(bytes.0)
    }
}

/// Memory that stays where it is, unchanged in place and size, for as long as its owner lives.
pub trait Lendable: 'static {
    fn start(&self) -> *mut u8;
    fn len_bytes(&self) -> usize;
}

struct Lent<T> {
    owner: T,
    bytes: i64,
}

/// An ArrayBuffer over the owner's memory. None where the host refuses.
pub fn lend<T: Lendable>(env: &Env, owner: T) -> napi::Result<Option<JsBytes>> {
    let (start, len) = (owner.start(), owner.len_bytes());
    assert!(len > 0, "nothing is not lent");
    let bytes = i64::try_from(len).expect("memory is smaller than 2^63");
    let lent = Box::into_raw(Box::new(Lent { owner, bytes }));
    let mut value = ptr::null_mut();
    // SAFETY: the memory lives until `give_back` drops its owner, which Node calls once, when the ArrayBuffer is gone.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            start.cast::<c_void>(),
            len,
            Some(give_back::<T>),
            lent.cast::<c_void>(),
            &mut value,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: Node did not take it, so it is still ours alone.
        drop(unsafe { Box::from_raw(lent) });
        if status == sys::Status::napi_no_external_buffers_allowed {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        check_status!(status, "cannot create an ArrayBuffer")?;
    }
    env.adjust_external_memory(-uncounted(bytes))?;
    Ok(Some(JsBytes(value)))
}

/// Lent memory is a file's pages, or counted elsewhere: the collector needs to hurry for a small part of it only, but for that it does, since
/// what is mapped and forgotten stays mapped until it comes round.
fn uncounted(bytes: i64) -> i64 {
    bytes - bytes / COUNTED_PART
}

extern "C" fn give_back<T>(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the box that `lend` made, and Node calls this once for it.
    let lent = unsafe { Box::from_raw(hint.cast::<Lent<T>>()) };
    // Undoes what `lend` did; that it fails while the environment ends does not matter.
    let _ = Env::from_raw(env).adjust_external_memory(uncounted(lent.bytes));
    drop(lent.owner);
}

/// An ArrayBuffer of JavaScript's own with these bytes.
pub fn copied(env: &Env, bytes: &[u8]) -> napi::Result<JsBytes> {
    let mut value = ptr::null_mut();
    let mut data = ptr::null_mut();
    // SAFETY: on success `data` points to `bytes.len()` bytes that nobody else knows yet.
    unsafe {
        check_status!(
            sys::napi_create_arraybuffer(env.raw(), bytes.len(), &mut data, &mut value),
            "cannot create an ArrayBuffer"
        )?;
        if !bytes.is_empty() {
            ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast::<u8>(), bytes.len());
        }
    }
    Ok(JsBytes(value))
}

/// A Buffer of JavaScript's own with these bytes: the way every batch of bytes goes up.
pub struct Bytes(pub Vec<u8>);

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, bytes: Self) -> napi::Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: Node copies the bytes before it returns.
        unsafe {
            check_status!(
                sys::napi_create_buffer_copy(
                    env,
                    bytes.0.len(),
                    bytes.0.as_ptr().cast::<c_void>(),
                    ptr::null_mut(),
                    &mut value,
                ),
                "cannot create a Buffer"
            )?;
        }
        Ok(value)
    }
}
