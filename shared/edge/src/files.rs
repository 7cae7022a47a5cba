//! How many files and connections may be open at once.

use std::io;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets this process have as many open files as the system lets it ask for, as Go's programs do by themselves; how many that are. Who starts
/// programs often gives them 1,024, for the sake of `select(2)`, which nobody here uses.
///
/// # Errors
/// When the system does not tell. Where it does not raise the limit, that stays as it is.
pub fn raise() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= hard {
        return Ok(soft);
    }
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard))
}

/// Whether something could not be opened because too much is open: in this process, or on the machine. (accept(2))
#[must_use]
pub fn are_used_up(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EMFILE | Errno::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(raise().unwrap(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, hard);
    }

    #[test]
    fn no_other_error_is_taken_for_it() {
        let told = [Errno::EMFILE, Errno::ENFILE, Errno::ECONNABORTED];
        assert_eq!(told.map(|code| are_used_up(&code.into())), [true, true, false]);
        assert!(!are_used_up(&io::Error::other("too many open files")));
    }
}
