//! Why nothing was switched, and what to do.

use thiserror::Error;

use crate::store::StoreError;

/// How often a switch is tried.
pub const TRIES: u32 = 20;

/// Why a view was not made anew or switched; the live rows are as they were.
#[derive(Debug, Error)]
pub enum RenewalError {
    #[error(
        "The live rows of the view '{0}' are of another log or epoch, or ahead of the log; start a server, which makes \
         them anew, and run this again."
    )]
    OtherLog(&'static str),
    #[error(
        "The view '{0}' was mended, rebuilt or switched meanwhile; nothing was switched: run this again."
    )]
    Changed(&'static str),
    #[error(
        "The live rows of the view '{0}' went on faster than the new ones in {TRIES} tries; run this again when there is \
         less traffic, and it goes on where it was."
    )]
    Behind(&'static str),
    #[error(
        "The live rows of the view '{0}' were in use in {TRIES} tries; end what reads them for long, and run this again: it \
         goes on where it was."
    )]
    Busy(&'static str),
    #[error(
        "Nothing is kept of the view '{0}'; there is a way back only after octocity rebuild {0} --blue-green."
    )]
    NothingKept(&'static str),
    #[error(
        "What is kept of the view '{0}' is of another form than this version's, or of another log or epoch; there is no \
         way back to it: octocity rebuild {0} --blue-green makes it anew."
    )]
    KeptOfOtherForm(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}
