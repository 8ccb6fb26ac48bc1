use thiserror::Error;

/// Why a page cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// There is nothing to tell of.
    #[error("there is no run to report on; give at least one result")]
    NoRuns,
    /// The page cannot be put together.
    #[error("the page cannot be put together: {0}; please report this as a bug")]
    Template(#[from] askama::Error),
    /// The drawing library is not where it is expected.
    #[error("the plotly crate has no embedded script; build with its feature plotly_embed_js")]
    NoLibrary,
}
