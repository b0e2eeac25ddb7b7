//! Tokens, certificates and revocation as a node, an impostor and an operator meet them.

use flashlight_proto::identity::IdentitySecret;
use flashlight_proto::token::possession;
use rcgen::{CertificateParams, KeyPair};

use super::*;

mod vouches;

const NOW_MS: u64 = 1_780_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: u64 = 3_600_000;

/// A generator for tests: the seed, again and again, one higher each time.
struct Counter(u8);

impl rand_core::TryRng for Counter {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0 += 1;
        bytes.fill(self.0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counter {}

struct Hub {
    dir: tempfile::TempDir,
    journal: Journal,
    enrolment: Enrolment,
    rng: Counter,
}

impl Hub {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority =
            Authority::init(&dir.path().join("hub"), &["localhost".to_owned()], NOW_MS).unwrap();
        let mut journal = Journal::open(&dir.path().join("state")).unwrap();
        let enrolment =
            Enrolment::open(Arc::new(authority), address(), &mut journal, NOW_MS).unwrap();
        Self { dir, journal, enrolment, rng: Counter(0) }
    }

    /// The hub after its process was killed and started again.
    fn restarted(self) -> Self {
        let Self { dir, journal, enrolment, rng } = self;
        drop((journal, enrolment));
        let authority = Arc::new(Authority::open(&dir.path().join("hub")).unwrap());
        let mut journal = Journal::open(&dir.path().join("state")).unwrap();
        let enrolment = Enrolment::open(authority, address(), &mut journal, NOW_MS).unwrap();
        Self { dir, journal, enrolment, rng }
    }

    fn invite(&mut self, id: &str) -> Token {
        self.try_invite(id, "Some Unified", HOUR).unwrap()
    }

    fn try_invite(&mut self, id: &str, name: &str, ttl: Duration) -> Result<Token, OperatorError> {
        let Self { enrolment, journal, rng, .. } = self;
        enrolment.invite(id.parse().unwrap(), name, ttl, journal, NOW_MS, rng)
    }

    fn enroll(&mut self, request: &Request) -> Result<EnrolReply, EnrolError> {
        self.enroll_at(request, NOW_MS)
    }

    fn enroll_at(&mut self, request: &Request, now_ms: u64) -> Result<EnrolReply, EnrolError> {
        self.enrolment.enroll(&request.borrowed(), &mut self.journal, now_ms)
    }

    fn revoke(&mut self, id: &str) -> Result<(), OperatorError> {
        self.enrolment.revoke(id.parse().unwrap(), "left", &mut self.journal, NOW_MS)
    }

    fn authorise(&self, reply: &EnrolReply) -> Result<DistrictId, AuthError> {
        self.enrolment.authorise(Some(Digest::of(&reply.certificate_der)))
    }
}

fn address() -> HubAddress {
    "localhost:7443".parse().unwrap()
}

/// A node's two keys.
struct Keys {
    tls: KeyPair,
    identity: IdentitySecret,
}

impl Keys {
    fn new(seed: u8) -> Self {
        let identity = IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap();
        Self { tls: KeyPair::generate().unwrap(), identity }
    }

    fn request(&self, token: &Token) -> Request {
        let csr = CertificateParams::default().serialize_request(&self.tls).unwrap();
        let csr_der = csr.der().to_vec();
        let key = self.identity.public();
        let digest = possession(&token.secret.hash(), &csr_der, &key);
        Request {
            token_secret: token.secret.to_hex().to_string(),
            csr_der,
            identity_key: key.as_bytes().to_vec(),
            possession: self.identity.sign(&digest).as_bytes().to_vec(),
        }
    }
}

#[derive(Clone)]
struct Request {
    token_secret: String,
    csr_der: Vec<u8>,
    identity_key: Vec<u8>,
    possession: Vec<u8>,
}

impl Request {
    fn borrowed(&self) -> EnrolRequest<'_> {
        EnrolRequest {
            token_secret: &self.token_secret,
            csr_der: &self.csr_der,
            identity_key: &self.identity_key,
            possession: &self.possession,
        }
    }
}

fn code<T: fmt::Debug>(result: Result<T, EnrolError>) -> &'static str {
    result.unwrap_err().code()
}

fn operator_code<T: fmt::Debug>(result: Result<T, OperatorError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn an_invited_node_gets_a_certificate_and_stands_in_the_roster() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let keys = Keys::new(1);
    let reply = hub.enroll(&keys.request(&token)).unwrap();
    assert_eq!(reply.district.as_str(), "0961");
    assert_eq!(reply.name, "Some Unified");
    assert_eq!(Digest::of(&reply.ca_der), token.ca);
    assert_eq!(hub.authorise(&reply), Ok("0961".parse().unwrap()));
    let roster = hub.enrolment.signed_roster().verify(&reply.hub_key).unwrap();
    assert_eq!(roster.version(), 1);
    let member = &roster.members()[0];
    assert_eq!(member.key, keys.identity.public());
    assert_eq!(member.certificate, Digest::of(&reply.certificate_der));
    assert_eq!(member.state, MemberState::Active);
}

#[test]
fn a_wrong_token_is_refused() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let mut request = Keys::new(1).request(&token);
    request.token_secret = "00".repeat(32);
    assert_eq!(code(hub.enroll(&request)), "token_unknown");
    request.token_secret = "not hex".to_owned();
    assert_eq!(code(hub.enroll(&request)), "token_unknown");
}

#[test]
fn a_token_is_refused_from_the_millisecond_it_expires() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    assert_eq!(token.expires_ms, NOW_MS + HOUR_MS);
    let request = Keys::new(1).request(&token);
    assert_eq!(code(hub.enroll_at(&request, NOW_MS + HOUR_MS)), "token_expired");
    assert!(hub.enroll_at(&request, NOW_MS + HOUR_MS - 1).is_ok());
}

#[test]
fn a_token_used_by_one_node_is_refused_to_another() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    assert_eq!(code(hub.enroll(&Keys::new(2).request(&token))), "token_used");
    assert_eq!(hub.enrolment.roster().members().len(), 1);
}

#[test]
fn the_same_identity_with_another_tls_key_cannot_use_a_token_again() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    assert_eq!(code(hub.enroll(&Keys::new(1).request(&token))), "token_used");
}

#[test]
fn a_node_whose_reply_was_lost_gets_the_same_certificate_again() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let keys = Keys::new(1);
    let first = hub.enroll(&keys.request(&token)).unwrap();
    let mut hub = hub.restarted();
    // The request is a fresh one: only the keys have to be the same.
    let second = hub.enroll(&keys.request(&token)).unwrap();
    assert_eq!(first, second);
    assert_eq!(hub.enrolment.roster().version(), 1);
    let late = hub.enroll_at(&keys.request(&token), NOW_MS + HOUR_MS);
    assert_eq!(code(late), "token_used");
}

#[test]
fn a_lost_reply_is_not_given_to_a_district_revoked_since() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let keys = Keys::new(1);
    hub.enroll(&keys.request(&token)).unwrap();
    hub.revoke("0961").unwrap();
    assert_eq!(code(hub.enroll(&keys.request(&token))), "token_used");
}

#[test]
fn a_missing_possession_signature_is_refused() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let mut request = Keys::new(1).request(&token);
    request.possession.clear();
    assert_eq!(code(hub.enroll(&request)), "identity_possession");
}

#[test]
fn a_possession_signature_of_another_key_is_refused() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let mut request = Keys::new(1).request(&token);
    request.identity_key = Keys::new(2).identity.public().as_bytes().to_vec();
    assert_eq!(code(hub.enroll(&request)), "identity_possession");
}

#[test]
fn a_possession_signature_over_another_request_is_refused() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let keys = Keys::new(1);
    let mut request = keys.request(&token);
    request.csr_der = Keys::new(2).request(&token).csr_der;
    assert_eq!(code(hub.enroll(&request)), "identity_possession");
}

#[test]
fn a_possession_signature_over_another_token_is_refused() {
    let mut hub = Hub::new();
    let (one, two) = (hub.invite("1"), hub.invite("2"));
    let mut request = Keys::new(1).request(&one);
    request.token_secret = two.secret.to_hex().to_string();
    assert_eq!(code(hub.enroll(&request)), "identity_possession");
}

#[test]
fn a_request_that_is_no_csr_is_refused_and_the_token_stays_good() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let keys = Keys::new(1);
    let mut request = keys.request(&token);
    request.csr_der = b"not a request".to_vec();
    assert_eq!(code(hub.enroll(&request)), "csr_invalid");
    assert!(hub.enroll(&keys.request(&token)).is_ok());
}

#[test]
fn one_identity_key_cannot_enrol_as_two_districts() {
    let mut hub = Hub::new();
    let (one, two) = (hub.invite("1"), hub.invite("2"));
    hub.enroll(&Keys::new(1).request(&one)).unwrap();
    assert_eq!(code(hub.enroll(&Keys::new(1).request(&two))), "identity_taken");
}

#[test]
fn a_newer_invitation_ends_the_older_one() {
    let mut hub = Hub::new();
    let old = hub.invite("0961");
    let new = hub.invite("0961");
    assert_eq!(code(hub.enroll(&Keys::new(1).request(&old))), "token_unknown");
    assert!(hub.enroll(&Keys::new(1).request(&new)).is_ok());
}

#[test]
fn an_enrolled_district_is_not_invited_again() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    assert_eq!(operator_code(hub.try_invite("0961", "Other", HOUR)), "district_taken");
}

#[test]
fn invitations_with_bad_names_or_lives_are_refused() {
    let mut hub = Hub::new();
    let minute = Duration::from_secs(60);
    assert_eq!(operator_code(hub.try_invite("1", "", HOUR)), "name_invalid");
    assert_eq!(operator_code(hub.try_invite("1", "two\nlines", HOUR)), "name_invalid");
    assert_eq!(operator_code(hub.try_invite("1", "A", minute / 2)), "ttl_invalid");
    assert_eq!(operator_code(hub.try_invite("1", "A", TTL_MAX + minute)), "ttl_invalid");
    assert_eq!(operator_code(hub.try_invite("1", "A", Duration::MAX)), "ttl_invalid");
    assert_eq!(hub.journal.head().seq, 1, "nothing was recorded");
}

#[test]
fn a_call_without_a_certificate_is_refused() {
    assert_eq!(Hub::new().enrolment.authorise(None), Err(AuthError::Missing));
}

#[test]
fn a_certificate_that_is_not_in_the_roster_is_refused() {
    let hub = Hub::new();
    let unknown = hub.enrolment.authorise(Some(Digest::of(b"other")));
    assert_eq!(unknown, Err(AuthError::Unknown));
    let server = hub.enrolment.authority().issue_server(NOW_MS).unwrap();
    let server = hub.enrolment.authorise(Some(Digest::of(&server.chain[0])));
    assert_eq!(server, Err(AuthError::Unknown));
}

#[test]
fn a_revoked_certificate_is_refused_from_the_next_call_and_after_a_restart() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let reply = hub.enroll(&Keys::new(1).request(&token)).unwrap();
    hub.revoke("0961").unwrap();
    assert_eq!(hub.authorise(&reply), Err(AuthError::Revoked));
    assert_eq!(hub.enrolment.roster().version(), 2);
    assert_eq!(hub.enrolment.roster().members()[0].state, MemberState::Revoked);
    assert_eq!(hub.restarted().authorise(&reply), Err(AuthError::Revoked));
}

#[test]
fn revoking_an_invited_district_ends_its_invitation() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.revoke("0961").unwrap();
    assert_eq!(code(hub.enroll(&Keys::new(1).request(&token))), "token_unknown");
    assert_eq!(hub.enrolment.roster().version(), 0);
}

#[test]
fn revoking_twice_or_a_stranger_is_refused() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    hub.revoke("0961").unwrap();
    assert_eq!(operator_code(hub.revoke("0961")), "already_revoked");
    assert_eq!(operator_code(hub.revoke("7")), "district_unknown");
}

#[test]
fn a_reason_with_line_breaks_or_too_long_is_refused() {
    let mut hub = Hub::new();
    hub.invite("1");
    for reason in ["two\nlines", "x".repeat(REASON_MAX + 1).as_str()] {
        let result = hub.enrolment.revoke("1".parse().unwrap(), reason, &mut hub.journal, NOW_MS);
        assert_eq!(operator_code(result), "reason_invalid");
    }
}

#[test]
fn a_revoked_district_comes_back_with_its_identity_key_and_a_new_certificate() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    let old = hub.enroll(&Keys::new(1).request(&token)).unwrap();
    hub.revoke("0961").unwrap();
    let before = hub.enrolment.roster().clone();
    let token = hub.invite("0961");
    let new = hub.enroll(&Keys::new(1).request(&token)).unwrap();
    assert_eq!(hub.authorise(&old), Err(AuthError::Revoked));
    assert!(hub.authorise(&new).is_ok());
    assert_eq!(hub.enrolment.roster().follows(&before), Ok(()));
}

#[test]
fn a_revoked_district_does_not_come_back_with_another_identity_key() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    hub.revoke("0961").unwrap();
    let token = hub.invite("0961");
    assert_eq!(code(hub.enroll(&Keys::new(2).request(&token))), "identity_changed");
}

#[test]
fn the_state_after_a_restart_is_the_state_before() {
    let mut hub = Hub::new();
    let (one, two) = (hub.invite("1"), hub.invite("2"));
    hub.invite("3");
    let reply = hub.enroll(&Keys::new(1).request(&one)).unwrap();
    hub.enroll(&Keys::new(2).request(&two)).unwrap();
    hub.revoke("2").unwrap();
    let roster = hub.enrolment.signed_roster().clone();
    let hub = hub.restarted();
    assert_eq!(*hub.enrolment.signed_roster(), roster);
    assert!(hub.authorise(&reply).is_ok());
    let invited: Vec<_> = hub.enrolment.invited(NOW_MS).map(|(id, _)| id.as_str()).collect();
    assert_eq!(invited, ["3"]);
}

#[test]
fn every_roster_follows_the_one_before() {
    let mut hub = Hub::new();
    let mut last = hub.enrolment.roster().clone();
    for seed in 1..5 {
        let token = hub.invite(&seed.to_string());
        hub.enroll(&Keys::new(seed).request(&token)).unwrap();
        assert_eq!(hub.enrolment.roster().follows(&last), Ok(()));
        last = hub.enrolment.roster().clone();
    }
    hub.revoke("2").unwrap();
    assert_eq!(hub.enrolment.roster().follows(&last), Ok(()));
}

#[test]
fn the_journal_never_holds_a_token_secret() {
    let mut hub = Hub::new();
    let token = hub.invite("0961");
    hub.enroll(&Keys::new(1).request(&token)).unwrap();
    let journal = std::fs::read_to_string(hub.dir.path().join("state/journal")).unwrap();
    assert!(journal.contains(&token.secret.hash().to_string()));
    assert!(!journal.contains(&*token.secret.to_hex()));
}

#[test]
fn a_journal_of_another_hub_is_refused() {
    let mut hub = Hub::new();
    let dir = tempfile::tempdir().unwrap();
    let other = Authority::init(dir.path(), &["localhost".to_owned()], NOW_MS).unwrap();
    let result = Enrolment::open(Arc::new(other), address(), &mut hub.journal, NOW_MS);
    assert_eq!(operator_code(result), "journal_foreign");
}

#[test]
fn an_address_that_is_not_in_the_certificate_is_refused() {
    let mut hub = Hub::new();
    let authority = Arc::clone(hub.enrolment.authority());
    let elsewhere = "hub.example:7443".parse().unwrap();
    let result = Enrolment::open(authority, elsewhere, &mut hub.journal, NOW_MS);
    assert_eq!(operator_code(result), "address_unnamed");
}

#[test]
fn the_thousand_and_first_open_invitation_is_refused() {
    let mut hub = Hub::new();
    // In memory: a thousand fsyncs test nothing here.
    hub.journal = Journal::in_memory();
    for index in 0..INVITATIONS_MAX {
        let (district, token_hash) =
            (format!("{index}").parse().unwrap(), Digest::of(&index.to_le_bytes()));
        let name = "A".to_owned();
        hub.enrolment.fold(Entry::Invited { district, name, token_hash, expires_ms: u64::MAX });
    }
    assert_eq!(operator_code(hub.try_invite("more", "A", HOUR)), "too_many_invitations");
    assert!(
        hub.try_invite("7", "A", HOUR).is_ok(),
        "a newer one for the same district replaces it"
    );
}
