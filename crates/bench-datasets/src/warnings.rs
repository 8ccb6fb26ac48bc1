use std::sync::{Mutex, PoisonError};

/// What datasets have to say beside their conversations.
///
/// ```
/// use bench_datasets::{SampleContext, Warnings};
///
/// let warnings = Warnings::default();
/// let mut cx = SampleContext::new(100, 0);
/// cx.warnings = Some(&warnings);
/// // ... make datasets of `cx` ...
/// assert!(warnings.take().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    pub(crate) fn push(&self, text: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }

    /// Takes all that were reported so far, in their order.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
