//! Passwords: what is asked of a new one, and Argon2id over them, as PHC strings.

use std::{hint::black_box, io, thread, time::Duration};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHash, PasswordHasher, Version,
    password_hash::{self, phc::Output},
};
use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::{ServiceError, ServiceResult};
use unicode_normalization::UnicodeNormalization;

use crate::pool::{HashPool, Memory, PoolError};

const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;
/// More cores than this are left to the rest of the process.
const MOST_THREADS: usize = 8;
/// Passwords that may wait for each thread: a second or two.
const WAITING_PER_THREAD: usize = 32;

/// A password as it was typed, in NFC, because keyboards differ in how they compose letters.
#[derive(Clone)]
pub(crate) struct Password(SecretString);

impl Password {
    pub fn typed(text: &str) -> Self {
        Self(SecretString::from(text.nfc().collect::<String>()))
    }

    /// # Errors
    /// `invalid` when it is too short or too long.
    pub fn chosen(text: &str) -> ServiceResult<Self> {
        let password = Self::typed(text);
        let chars = password.0.expose_secret().chars().count();
        if chars < MIN_CHARS {
            let detail = format!("The password must have at least {MIN_CHARS} characters.");
            return Err(ServiceError::invalid("password", "too_short", detail));
        }
        if chars > MAX_CHARS {
            let detail = format!("The password must not have more than {MAX_CHARS} characters.");
            return Err(ServiceError::invalid("password", "too_long", detail));
        }
        Ok(password)
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// Hashes passwords and compares them with hashes, away from the async threads.
pub(crate) struct Passwords {
    pool: HashPool,
    argon2: Argon2<'static>,
    params: Params,
}

impl Passwords {
    /// # Errors
    /// When the system gives no threads.
    pub fn start(params: Params) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MOST_THREADS);
        let pool = HashPool::start(threads, threads * WAITING_PER_THREAD)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        Ok(Self { pool, argon2, params })
    }

    /// The PHC string of a password, with a salt of its own.
    ///
    /// # Errors
    /// `unavailable` when too many wait.
    pub async fn hash(&self, password: Password) -> ServiceResult<String> {
        let argon2 = self.argon2.clone();
        let hashed: Result<PasswordHash, _> =
            self.pool.run(move |_| argon2.hash_password(password.bytes())).await.map_err(refused)?;
        hashed.map(|hash| hash.to_string()).map_err(ServiceError::internal)
    }

    /// Whether it is the password of `stored`. Without one the same work is done for nothing, so that
    /// the time does not tell whether there is an account.
    ///
    /// # Errors
    /// `unavailable` when too many wait.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> ServiceResult<bool> {
        let argon2 = self.argon2.clone();
        let work = move |memory: &mut Memory| verify(&argon2, &password, stored.as_deref(), memory);
        self.pool.run(work).await.map_err(refused)
    }

    /// Whether `stored` was made with other parameters than those in force.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let Ok(hash) = PasswordHash::new(stored) else { return false };
        let same = |params: Params| {
            params.m_cost() == self.params.m_cost()
                && params.t_cost() == self.params.t_cost()
                && params.p_cost() == self.params.p_cost()
        };
        hash.algorithm != ARGON2ID_IDENT
            || hash.version != Some(u32::from(Version::V0x13))
            || !Params::try_from(&hash).is_ok_and(same)
    }
}

fn verify(argon2: &Argon2<'_>, password: &Password, stored: Option<&str>, memory: &mut Memory) -> bool {
    let stored = stored.and_then(|text| {
        let read = PasswordHash::new(text);
        read.inspect_err(|error| tracing::error!(%error, "a stored password hash cannot be read")).ok()
    });
    let Some(stored) = stored else {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let memory = memory.of(argon2.params());
        let nothing = argon2.hash_password_into_with_memory(password.bytes(), &[0; 16], &mut output, memory);
        black_box((nothing.is_ok(), output));
        return false;
    };
    match matches(&stored, password, memory) {
        Ok(right) => right,
        Err(error) => {
            tracing::error!(%error, "a stored password hash cannot be verified");
            false
        }
    }
}

/// Hashes with the parameters of the stored hash.
fn matches(
    stored: &PasswordHash,
    password: &Password,
    memory: &mut Memory,
) -> Result<bool, password_hash::Error> {
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
    let version = stored.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(stored)?);
    let mut output = vec![0; expected.len()];
    let memory = memory.of(argon2.params());
    argon2.hash_password_into_with_memory(password.bytes(), salt, &mut output, memory)?;
    // Outputs are compared in constant time.
    Ok(Output::new(&output)? == *expected)
}

fn refused(error: PoolError) -> ServiceError {
    match error {
        PoolError::Full => ServiceError::unavailable(
            "Too many people are signing in at the moment. Try again in a few seconds.",
            Duration::from_secs(2),
        )
        .with_source(error),
        PoolError::Panicked => ServiceError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(memory_kib: u32) -> Passwords {
        let params = Params::new(memory_kib, 1, 1, None).expect("small parameters");
        Passwords::start(params).expect("threads")
    }

    fn words(result: ServiceResult<Password>) -> Option<String> {
        result.err().map(|error| error.fields[0].code.clone())
    }

    #[test]
    fn length_is_counted_in_characters_of_the_composed_form() {
        assert_eq!(words(Password::chosen("1234567")).as_deref(), Some("too_short"));
        assert_eq!(words(Password::chosen(&"e\u{301}".repeat(7))).as_deref(), Some("too_short"));
        assert_eq!(words(Password::chosen(&"\u{1f3b5}".repeat(8))), None);
        assert_eq!(words(Password::chosen(&"\u{1f3b5}".repeat(256))), None);
        assert_eq!(words(Password::chosen(&"x".repeat(257))).as_deref(), Some("too_long"));
        assert_eq!(words(Password::chosen(" spaces count ")), None);
    }

    #[tokio::test]
    async fn verifies_what_it_hashed_in_either_composition_and_nothing_else() {
        let passwords = passwords(64);
        let hash = passwords.hash(Password::typed("caf\u{e9} au lait")).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        for (typed, right) in [
            ("cafe\u{301} au lait", true),
            ("caf\u{e9} au lait", true),
            ("Caf\u{e9} au lait", false),
            ("caf\u{e9} au lait ", false),
            ("", false),
        ] {
            let verified =
                passwords.verify(Password::typed(typed), Some(hash.clone())).await.expect("an answer");
            assert_eq!(verified, right, "{typed:?}");
        }
        assert!(!passwords.verify(Password::typed("x"), None).await.expect("an answer"));
        assert!(
            !passwords.verify(Password::typed("x"), Some("rubbish".to_owned())).await.expect("an answer")
        );
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_still_verifies_and_is_outdated() {
        let (old, new) = (passwords(32), passwords(64));
        let hash = old.hash(Password::typed("correct horse")).await.expect("a hash");
        assert!(new.verify(Password::typed("correct horse"), Some(hash.clone())).await.expect("an answer"));
        assert!(new.is_outdated(&hash));
        assert!(!old.is_outdated(&hash));
        let other_kind = hash.replace("$argon2id$", "$argon2i$");
        assert!(old.is_outdated(&other_kind));
    }

    #[tokio::test]
    async fn an_unknown_account_costs_as_much_work_as_a_known_one() {
        let params = Params::new(8 * 1024, 2, 1, None).expect("parameters");
        let passwords = Passwords::start(params).expect("threads");
        let hash = passwords.hash(Password::typed("correct horse")).await.expect("a hash");
        // The least of several, because other tests run beside this one.
        let mut least = [Duration::MAX; 2];
        for _ in 0..15 {
            for (index, stored) in [Some(hash.clone()), None].into_iter().enumerate() {
                let start = std::time::Instant::now();
                passwords.verify(Password::typed("wrong horse"), stored).await.expect("an answer");
                least[index] = least[index].min(start.elapsed());
            }
        }
        let [known, unknown] = least.map(|least| least.as_secs_f64());
        assert!(unknown > known * 0.5 && unknown < known * 2.0, "known {known} s, unknown {unknown} s");
    }
}
