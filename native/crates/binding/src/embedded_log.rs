//! Owns the class `NativeEmbeddedLog`: one handle on an embedded log, the writer's or a reader's.

use crate::convert::{Code, Result, limit, small, waker};
use crate::external::{JsBytes, Lendable, copied, lend};
use millrace_embedded::{
    Handover, Observer, ReadAhead, SealedSlot, Store, StoreError, StoreOptions, Stretch,
    StretchBytes, Watcher,
};
use millrace_host::arena::Arena;
use millrace_host::disk::mappable::Mapping;
use millrace_log::LogConfig;
use millrace_record::RecordsSummary;
use napi::bindgen_prelude::{Function, Uint8Array};
use napi::{Env, Error};
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;

fn failed(error: StoreError) -> Error<Code> {
    Error::new(Code::from(error.code), error.message)
}

fn refused(error: Error) -> Error<Code> {
    Error::new(Code::from("NAPI"), error.reason.clone())
}

struct LentWatcher(Arc<Watcher>);
struct LentArena(Arc<Arena>);
struct LentMapping(Mapping);

impl Lendable for LentWatcher {
    fn start(&self) -> *mut u8 {
        self.0.as_ptr()
    }
    fn len_bytes(&self) -> usize {
        self.0.len_bytes()
    }
}

impl Lendable for LentArena {
    fn start(&self) -> *mut u8 {
        self.0.as_ptr()
    }
    fn len_bytes(&self) -> usize {
        self.0.len_bytes()
    }
}

impl Lendable for LentMapping {
    fn start(&self) -> *mut u8 {
        self.0.as_ptr().cast_mut()
    }
    fn len_bytes(&self) -> usize {
        self.0.len()
    }
}

/// See `EmbeddedOptions` in src/native/addon.ts.
#[napi(object)]
pub struct EmbeddedOptions {
    pub segment_bytes: i64,
    pub segment_ms: i64,
    pub index_interval_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub retention_bytes: Option<i64>,
    pub retention_ms: Option<i64>,
    pub slots: u32,
    pub slot_bytes: u32,
    pub verify_checksums: bool,
}

/// What goes with everything that is handed over; see `Handover`.
fn handover(base_offset: i64, wants_sync: bool, failures: u32) -> Handover {
    Handover {
        base_offset,
        wants_sync,
        failures,
    }
}

fn summary(record_count: i32, base_timestamp: i64, max_timestamp: i64) -> RecordsSummary {
    RecordsSummary {
        record_count,
        base_timestamp,
        max_timestamp,
    }
}

#[napi(object, object_from_js = false)]
pub struct NativeStretch {
    pub bytes: JsBytes,
    /// f64 pairs: base offset, position.
    pub table: JsBytes,
    pub base_offset: i64,
    pub end_offset: i64,
    pub is_mapped: bool,
}

#[napi(object)]
pub struct EmbeddedFailure {
    pub code: String,
    pub message: String,
}

/// Where a handle reads: from a log that this process has open for writing, or from files that another may be writing.
enum Source {
    Store(Arc<Store>),
    Observer(Observer),
}

#[napi]
pub struct NativeEmbeddedLog {
    source: Source,
    watcher: Arc<Watcher>,
    ahead: ReadAhead,
    is_writer: bool,
}

#[napi]
impl NativeEmbeddedLog {
    /// With options: the writer. Without: a reader beside the writer in this process, else of the files as they are.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        dir: String,
        options: Option<EmbeddedOptions>,
        on_wake: Function<'_, (), ()>,
    ) -> Result<NativeEmbeddedLog, Code> {
        let wake = waker(&env, &on_wake)?;
        let is_writer = options.is_some();
        let watcher = Arc::new(Watcher::new(wake));
        let dir = Path::new(&dir);
        let store = match options {
            Some(options) => {
                let options = StoreOptions {
                    log: LogConfig {
                        segment_bytes: small(options.segment_bytes),
                        segment_ms: limit(options.segment_ms),
                        index_interval_bytes: small(options.index_interval_bytes),
                        file_delete_delay_ms: limit(options.file_delete_delay_ms),
                        retention_bytes: options.retention_bytes.unwrap_or(-1),
                        retention_ms: options.retention_ms.unwrap_or(-1),
                        ..LogConfig::default()
                    },
                    slots: options.slots as usize,
                    slot_bytes: options.slot_bytes as usize,
                    verify_checksums: options.verify_checksums,
                };
                Some(Store::open(dir, options).map_err(failed)?)
            }
            None => Store::attach(dir),
        };
        let source = match store {
            Some(store) => {
                store.watch(&watcher);
                Source::Store(store)
            }
            None => {
                Source::Observer(Observer::open(dir, Arc::downgrade(&watcher)).map_err(failed)?)
            }
        };
        Ok(NativeEmbeddedLog {
            source,
            watcher,
            ahead: ReadAhead::default(),
            is_writer,
        })
    }

    fn store(&self) -> Result<&Arc<Store>, Code> {
        match &self.source {
            Source::Store(store) => Ok(store),
            Source::Observer(_) => Err(failed(StoreError::new(
                "READ_ONLY",
                "no writer in this process has the log open",
            ))),
        }
    }

    /// Whether the files are looked at only when `observe` is called: nobody in this process writes them.
    #[napi(getter)]
    pub fn is_observer(&self) -> bool {
        matches!(self.source, Source::Observer(_))
    }

    /// Looks at the files again; nothing to do beside a writer in this process.
    #[napi]
    pub fn observe(&self) -> Result<(), Code> {
        match &self.source {
            Source::Store(_) => Ok(()),
            Source::Observer(observer) => observer.observe().map_err(failed),
        }
    }

    /// The page of numbers `embedded/src/progress.rs` draws, or null where the host lends no memory.
    #[napi]
    pub fn page(&self, env: Env) -> Result<Option<JsBytes>, Code> {
        lend(&env, LentWatcher(Arc::clone(&self.watcher))).map_err(refused)
    }

    #[napi]
    pub fn copy_page(&self, mut page: Uint8Array) {
        // SAFETY: the array is JavaScript's, which does not run meanwhile.
        #[allow(unsafe_code, reason = "napi hands out typed arrays as shared")]
        let bytes = unsafe { page.as_mut() };
        self.watcher.copy_to(bytes);
    }

    #[napi]
    pub fn want_wake(&self) {
        self.watcher.want_wake();
    }

    /// The slots to fill, or null where the host lends no memory.
    #[napi]
    pub fn arena(&self, env: Env) -> Result<Option<JsBytes>, Code> {
        lend(&env, LentArena(Arc::clone(self.store()?.arena()))).map_err(refused)
    }

    #[napi]
    #[allow(
        clippy::too_many_arguments,
        reason = "one crossing a batch, all of it numbers"
    )]
    pub fn hand_over(
        &self,
        slot: u32,
        bytes: u32,
        record_count: i32,
        base_timestamp: i64,
        max_timestamp: i64,
        base_offset: i64,
        wants_sync: bool,
        failures: u32,
    ) -> Result<u32, Code> {
        let sealed = SealedSlot {
            slot: slot as usize,
            bytes: bytes as usize,
            records: summary(record_count, base_timestamp, max_timestamp),
        };
        let next = self
            .store()?
            .hand_over(sealed, handover(base_offset, wants_sync, failures))
            .map_err(failed)?;
        Ok(u32::try_from(next).expect("few slots"))
    }

    /// A batch that is not in a slot: records behind 61 bytes of room.
    #[napi]
    #[allow(
        clippy::too_many_arguments,
        reason = "one crossing a batch, all of it numbers"
    )]
    pub fn hand_over_owned(
        &self,
        batch: &[u8],
        record_count: i32,
        base_timestamp: i64,
        max_timestamp: i64,
        base_offset: i64,
        wants_sync: bool,
        failures: u32,
    ) -> Result<(), Code> {
        self.store()?
            .hand_over_owned(
                batch.to_vec(),
                summary(record_count, base_timestamp, max_timestamp),
                handover(base_offset, wants_sync, failures),
            )
            .map_err(failed)
    }

    /// Answers the number of records and the next slot to fill.
    #[napi]
    pub fn hand_over_packed(
        &self,
        packed: &[u8],
        timestamp: i64,
        slot: u32,
        base_offset: i64,
        wants_sync: bool,
        failures: u32,
    ) -> Result<Vec<u32>, Code> {
        let (count, next) = self
            .store()?
            .hand_over_packed(
                packed,
                timestamp,
                slot as usize,
                handover(base_offset, wants_sync, failures),
            )
            .map_err(failed)?;
        Ok(vec![count, u32::try_from(next).expect("few slots")])
    }

    /// Waits until everything handed over is written or has failed.
    #[napi]
    pub fn flush(&self) -> Result<(), Code> {
        self.store()?.flush().map_err(failed)
    }

    /// Asks for a sync of everything handed over so far; does not wait.
    #[napi]
    pub fn request_sync(&self) -> Result<(), Code> {
        self.store()?.request_sync();
        Ok(())
    }

    #[napi]
    pub fn stretch(
        &self,
        env: Env,
        offset: i64,
        span_bytes: i64,
        may_lend: bool,
    ) -> Result<Option<NativeStretch>, Code> {
        let stretch = match &self.source {
            Source::Store(store) => store.stretch(offset, small(span_bytes), may_lend),
            Source::Observer(observer) => observer.read(offset, small(span_bytes)),
        };
        let stretch = stretch.map_err(failed)?;
        stretch
            .map(|stretch| native_stretch(&env, stretch))
            .transpose()
    }

    #[napi]
    pub fn read(
        &self,
        env: Env,
        offset: i64,
        max_bytes: i64,
        may_lend: bool,
    ) -> Result<Option<NativeStretch>, Code> {
        let max_bytes = small(max_bytes);
        let stretch = match &self.source {
            Source::Store(store) if may_lend => self.ahead.read(store, offset, max_bytes),
            Source::Store(store) => store.read(offset, max_bytes, false),
            Source::Observer(observer) => observer.read(offset, max_bytes),
        };
        let stretch = stretch.map_err(failed)?;
        stretch
            .map(|stretch| native_stretch(&env, stretch))
            .transpose()
    }

    #[napi]
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<i64>, Code> {
        self.store()?
            .offset_for_timestamp(timestamp)
            .map_err(failed)
    }

    #[napi]
    pub fn truncate(&self, offset: i64) -> Result<i64, Code> {
        self.store()?.truncate(offset).map_err(failed)
    }

    #[napi]
    pub fn delete_before(&self, offset: i64) -> Result<i64, Code> {
        self.store()?.delete_before(offset).map_err(failed)
    }

    /// Begins a copy of the log in a directory that does not exist yet.
    #[napi]
    pub fn begin_snapshot(&self, dir: String) -> Result<(), Code> {
        self.store()?
            .begin_snapshot(Path::new(&dir))
            .map_err(failed)
    }

    /// The end offset of the finished copy in that directory, null while it is not finished; throws when it failed.
    #[napi]
    pub fn take_snapshot(&self, dir: String) -> Result<Option<i64>, Code> {
        self.store()?
            .take_snapshot(Path::new(&dir))
            .transpose()
            .map_err(failed)
    }

    #[napi]
    pub fn last_failure(&self) -> Option<EmbeddedFailure> {
        let Source::Store(store) = &self.source else {
            return None;
        };
        store.last_failure().map(|failure| EmbeddedFailure {
            code: failure.code.to_owned(),
            message: failure.message,
        })
    }

    #[napi]
    pub fn close(&self) -> Result<(), Code> {
        self.watcher.stop();
        if let Source::Store(store) = &self.source
            && self.is_writer
        {
            store.close().map_err(failed)?;
        }
        Ok(())
    }
}

impl Drop for NativeEmbeddedLog {
    fn drop(&mut self) {
        // Nobody is left to hear an error.
        let _ = self.close();
    }
}

fn native_stretch(env: &Env, stretch: Stretch) -> Result<NativeStretch, Code> {
    let pairs: Vec<u8> = stretch
        .table
        .iter()
        .flat_map(|&(offset, position)| [offset as f64, f64::from(position)])
        .flat_map(f64::to_ne_bytes)
        .collect();
    let table = copied(env, &pairs).map_err(refused)?;
    let (bytes, is_mapped) = match stretch.bytes {
        StretchBytes::Copied(bytes) => (copied(env, &bytes).map_err(refused)?, false),
        StretchBytes::Mapped(map) => match lend(env, LentMapping(map)).map_err(refused)? {
            Some(lent) => (lent, true),
            None => {
                return Err(failed(StoreError::new(
                    "NO_EXTERNAL_BUFFERS",
                    "this host does not let JavaScript see memory of native code",
                )));
            }
        },
    };
    Ok(NativeStretch {
        bytes,
        table,
        base_offset: stretch.base_offset,
        end_offset: stretch.end_offset,
        is_mapped,
    })
}

#[napi(object)]
pub struct AdoptedLog {
    pub log_start_offset: i64,
    pub log_end_offset: i64,
}

/// Makes an embedded log ready for a broker; null when the directory holds none. See `adopt`.
#[napi]
pub fn adopt_log(dir: String) -> Result<Option<AdoptedLog>, Code> {
    let adopted = millrace_embedded::adopt(Path::new(&dir)).map_err(failed)?;
    Ok(adopted.map(|adopted| AdoptedLog {
        log_start_offset: adopted.log_start_offset,
        log_end_offset: adopted.log_end_offset,
    }))
}

#[napi]
pub fn finish_adoption(dir: String) -> Result<(), Code> {
    millrace_embedded::finish_adoption(Path::new(&dir)).map_err(failed)
}
