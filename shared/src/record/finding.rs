//! What can be said of a history after it was examined: each finding with a stable code and a sentence.

use std::collections::BTreeSet;

use super::entry::Range;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Something is wrong.
    Fault,
    /// Nothing is wrong as far as can be seen, and nobody can prove it.
    Unproved,
    /// It is as it should be, and worth telling.
    Information,
}

impl Weight {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Unproved => "unproved",
            Self::Information => "information",
        }
    }
}

/// What was found. The codes never change their meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Finding {
    /// There is no record.
    NotRecorded,
    /// The annotation is no history.
    Unreadable,
    /// The record of this revision does not have the hash that it carries.
    Edited(u64),
    /// The record of this revision has the hash that it would have in another object, which is named.
    OfAnother(u64, String),
    /// The record of this revision, or what stands for dropped ones, was made by a dry run, and stands in an object that is stored.
    DryRun(Range),
    /// Records that are not there, with others before and after them.
    Missing(Range),
    /// The history begins with this revision: what was before was not kept, as for a Release that was orphaned, or could not be read.
    Begins(u64),
    /// The record of the first revision stands behind that of the second, and should not.
    OutOfOrder(u64, u64),
    /// The record of this revision does not name the hash of the one before it.
    Unlinked(u64),
    /// The signature is not one by the key that it names.
    Forged(Range, String),
    /// The key that it names is not among those that are known.
    UnknownKey(Range, String),
    /// A record that is not signed, and should be.
    Unsigned(u64),
    /// What stands for dropped records is not signed, and should be.
    DroppedUnsigned(Range),
    /// Records that are not signed, where nothing says since when records are.
    Undated(Range),
    /// Records that are not signed, where nobody could get the keys.
    UnsignedUnchecked(Range),
    /// Records, or what stands for them, from before any were signed.
    BeforeSigning(Range),
    /// Records that the bound dropped; what stands for them is signed, or nobody could look (`false`).
    Dropped(Range, bool),
    /// Records that the bound dropped, and some of them were from before any were signed.
    DroppedBeforeSigning(Range),
    /// Records that the bound dropped, and the codes of what was found of them then.
    DroppedUnproved(Range, BTreeSet<String>),
    /// The recorded content is not that of the last record.
    Changed,
    /// An annotation that repeats the last record does not say what it says.
    StampDiffers(&'static str),
    /// The history ends before the record that the controller has seen.
    SetBack(u64, String),
    /// Another record stands where the controller has seen this one.
    Rewritten(u64, String),
    /// The record that is expected is not there.
    NotExpected(String),
}

impl Finding {
    /// How much it weighs.
    pub fn weight(&self) -> Weight {
        match self {
            Self::Dropped(_, true) => Weight::Information,
            Self::BeforeSigning(_)
            | Self::UnsignedUnchecked(_)
            | Self::DroppedBeforeSigning(_)
            | Self::Dropped(_, false) => Weight::Unproved,
            _ => Weight::Fault,
        }
    }

    /// Whether something is wrong.
    pub fn is_fault(&self) -> bool {
        self.weight() == Weight::Fault
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRecorded => "NotRecorded",
            Self::Unreadable => "Unreadable",
            Self::Edited(_) => "RecordEdited",
            Self::OfAnother(..) => "RecordOfAnotherObject",
            Self::DryRun(_) => "RecordOfDryRun",
            Self::Missing(_) => "RecordMissing",
            Self::Begins(_) => "BeginningMissing",
            Self::OutOfOrder(..) => "RecordsReordered",
            Self::Unlinked(_) => "ChainBroken",
            Self::Forged(..) => "SignatureInvalid",
            Self::UnknownKey(..) => "KeyUnknown",
            Self::Unsigned(_) => "RecordUnsigned",
            Self::DroppedUnsigned(_) => "DroppedUnsigned",
            Self::Undated(_) => "SigningTimeUnknown",
            Self::UnsignedUnchecked(_) => "UnsignedUnchecked",
            Self::BeforeSigning(_) => "BeforeSigning",
            Self::Dropped(_, true) => "RecordsDropped",
            Self::Dropped(_, false) => "DroppedUnchecked",
            Self::DroppedBeforeSigning(_) => "DroppedBeforeSigning",
            Self::DroppedUnproved(..) => "DroppedUnproved",
            Self::Changed => "ChangeNotRecorded",
            Self::StampDiffers(_) => "StampDiffers",
            Self::SetBack(..) => "HistorySetBack",
            Self::Rewritten(..) => "HistoryRewritten",
            Self::NotExpected(_) => "ExpectedMissing",
        }
    }

    /// The revisions that it speaks of.
    pub fn revisions(&self) -> Option<Range> {
        match self {
            Self::Missing(range)
            | Self::Forged(range, _)
            | Self::UnknownKey(range, _)
            | Self::DroppedUnsigned(range)
            | Self::Undated(range)
            | Self::UnsignedUnchecked(range)
            | Self::BeforeSigning(range)
            | Self::DryRun(range)
            | Self::DroppedBeforeSigning(range)
            | Self::DroppedUnproved(range, _)
            | Self::Dropped(range, _) => Some(*range),
            Self::Edited(revision)
            | Self::OfAnother(revision, _)
            | Self::Begins(revision)
            | Self::OutOfOrder(revision, _)
            | Self::Unlinked(revision)
            | Self::Unsigned(revision)
            | Self::SetBack(revision, _)
            | Self::Rewritten(revision, _) => Some(Range { from: *revision, to: *revision }),
            Self::NotRecorded | Self::Unreadable | Self::Changed | Self::StampDiffers(_) | Self::NotExpected(_) => None,
        }
    }
}

/// `revision 3`, or `revisions 3 to 5`.
struct Revisions(Range);

impl std::fmt::Display for Revisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Range { from, to } = self.0;
        if from == to { write!(f, "revision {from}") } else { write!(f, "revisions {from} to {to}") }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let audit = "compare it with the API server's audit log";
        match self {
            Self::NotRecorded => f.write_str("nothing is recorded"),
            Self::Unreadable => f.write_str("the history cannot be read"),
            Self::Edited(revision) => {
                write!(f, "revision {revision} was edited or taken from another object: its hash is not its own")
            }
            Self::OfAnother(revision, object) => {
                write!(f, "revision {revision} was taken from {object}: its hash is that of a record there")
            }
            Self::DryRun(range) => {
                write!(f, "{} taken from a dry run: nothing was changed by it", Were(*range))
            }
            Self::Missing(range) if range.from == range.to => {
                write!(f, "{} is missing: its record was removed", Revisions(*range))
            }
            Self::Missing(range) => write!(f, "{} are missing: their records were removed", Revisions(*range)),
            Self::Begins(revision) => {
                write!(f, "the history begins with revision {revision}: what was before is not recorded")
            }
            Self::OutOfOrder(revision, after) => {
                write!(f, "revision {revision} stands behind revision {after}: records were reordered or repeated")
            }
            Self::Unlinked(revision) => write!(f, "revision {revision} does not follow on the record before it"),
            Self::Forged(range, key) => {
                write!(
                    f,
                    "the signature of {} is not one by key {key}: it was forged, or taken from elsewhere",
                    Revisions(*range)
                )
            }
            Self::UnknownKey(range, key) => write!(
                f,
                "the signature of {} names key {key}, which is not among the known ones: it was forged, or the keys that were looked at are \
                 older",
                Revisions(*range)
            ),
            Self::Unsigned(revision) => write!(
                f,
                "revision {revision} is not signed, and records were signed by then: it was made without the release webhook"
            ),
            Self::DroppedUnsigned(range) => write!(
                f,
                "{} dropped, and what stands for them is not signed: they were removed without the release webhook",
                Were(*range)
            ),
            Self::Undated(range) => write!(
                f,
                "{} not signed, and the keys that were looked at do not say since when records are: --signed-since TIME says it",
                Are(*range)
            ),
            Self::UnsignedUnchecked(range) => {
                write!(f, "{} not signed, and without keys nobody can say whether records were by then", Are(*range))
            }
            Self::BeforeSigning(range) => {
                write!(f, "{} made before records were signed: by whom cannot be proved", Were(*range))
            }
            Self::Dropped(range, true) => {
                write!(f, "{} dropped by the bound of the history, which is signed", Were(*range))
            }
            Self::Dropped(range, false) => {
                write!(f, "{} dropped by the bound of the history; the signature was not checked", Were(*range))
            }
            Self::DroppedBeforeSigning(range) => write!(
                f,
                "{} dropped by the bound of the history, and not all of them were signed, since records were not at their time: by whom they \
                 were made cannot be proved",
                Were(*range)
            ),
            Self::DroppedUnproved(range, codes) => write!(
                f,
                "{} dropped by the bound of the history, and this was wrong by then: {}",
                Were(*range),
                codes.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
            Self::Changed => f.write_str("it has changed since its last record, and that is not recorded"),
            Self::StampDiffers(key) => write!(f, "the annotation {key} does not say what the last record says"),
            Self::SetBack(revision, hash) => {
                write!(
                    f,
                    "the history ends before revision {revision}, which the controller has seen ({hash}): it was set back; {audit}"
                )
            }
            Self::Rewritten(revision, hash) => write!(
                f,
                "revision {revision} is not the record that the controller has seen there ({hash}): the history was rewritten; {audit}"
            ),
            Self::NotExpected(hash) => write!(
                f,
                "no record has the hash {hash}: the history was set back or rewritten, or that record was dropped by the bound; {audit}"
            ),
        }
    }
}

/// `revision 3 was`, or `revisions 3 to 5 were`.
struct Were(Range);

impl std::fmt::Display for Were {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", Revisions(self.0), if self.0.from == self.0.to { "was" } else { "were" })
    }
}

/// `revision 3 is`, or `revisions 3 to 5 are`.
struct Are(Range);

impl std::fmt::Display for Are {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", Revisions(self.0), if self.0.from == self.0.to { "is" } else { "are" })
    }
}
