use thiserror::Error;

/// Why a figure could not be drawn.
#[derive(Debug, Error)]
pub enum ChartError {
    /// Axes and names would leave no room for the data.
    #[error(
        "{figure} does not fit into {width}x{height}: its axes and names leave no room for the data. \
         Make the picture larger"
    )]
    TooSmall {
        /// Id of the figure.
        figure: String,
        /// Width that was asked for.
        width: u32,
        /// Height that was asked for.
        height: u32,
    },
    /// More pixels than a picture may have.
    #[error(
        "a picture of {width}x{height} at {pixel_ratio} pixels per unit is too large: \
         {limit} pixels on the longer side are the limit"
    )]
    TooLarge {
        /// Width that was asked for.
        width: u32,
        /// Height that was asked for.
        height: u32,
        /// Pixels per unit that were asked for.
        pixel_ratio: u32,
        /// Most pixels on a side.
        limit: u32,
    },
    /// The font that comes along cannot be read.
    #[error("the font of the charts cannot be read; the program was built from a damaged copy")]
    Font,
    /// The drawing library refused.
    #[error("{figure} cannot be drawn: {reason}")]
    Drawing {
        /// Id of the figure.
        figure: String,
        /// What the library says.
        reason: String,
    },
    /// The picture could not be packed.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
}
