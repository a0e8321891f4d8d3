use super::*;

fn read(text: &str) -> Settings {
    text.parse().unwrap()
}

#[track_caller]
fn refused(text: &str) {
    assert!(matches!(text.parse::<Settings>(), Err(OpenError::Settings)), "{text}");
}

#[test]
fn hosts_stand_between_commas_and_have_a_port() {
    assert_eq!(read("esdb://here").hosts, ["here:2113"]);
    assert_eq!(read("kurrentdb://one:1,two,three:3/?tls=false").hosts, ["one:1", "two:2113", "three:3"]);
    assert_eq!(read("esdb+discover://a:b@cluster.example:1").hosts, ["cluster.example:1"]);
    assert_eq!(read("esdb://[::1]:4,[::2]").hosts, ["[::1]:4", "[::2]:2113"]);
    for wrong in
        ["esdb:here", "http://here", "esdb://", "esdb://a:b@", "esdb://here,,there", "esdb://here/there"]
    {
        refused(wrong);
    }
    refused("esdb://here:99999");
    refused("esdb://here:port");
}

#[test]
fn a_password_may_hold_any_sign_where_it_is_percent_encoded() {
    let user = |text| read(text).user.map(|user| (user.name, user.password));
    let named = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
    assert_eq!(user("esdb://here"), None);
    assert_eq!(user("esdb://admin@here"), named("admin", ""));
    assert_eq!(user("esdb://admin:a:b@here"), named("admin", "a:b"));
    assert_eq!(user("esdb://admin:%40%3F%2F%C3%A4@here?tls=false"), named("admin", "@?/ä"));
    refused("esdb://admin:%FF@here");
}

#[test]
fn keys_are_known_in_any_case_and_hold_a_value_of_theirs() {
    let plain = read("esdb://here");
    assert!(plain.has_tls && plain.is_verified && plain.keep_alive_interval == KEEP_ALIVE);
    let said = read(
        "esdb://here?TLS=false&tlsVerifyCert=false&tlsCaFile=%2Fa%20b&connectionName=gates\
         &keepAliveInterval=20000&keepAliveTimeout=-1&nodePreference=leader&ours=1",
    );
    assert!(!said.has_tls && !said.is_verified);
    assert_eq!((said.ca_file.as_deref(), said.connection_name.as_deref()), (Some("/a b"), Some("gates")));
    assert_eq!(said.keep_alive_interval, Duration::from_secs(20));
    assert_eq!(said.keep_alive_timeout, FOR_EVER);
    assert_eq!(read("esdb://here?keepAliveInterval=1").keep_alive_interval, KEEP_ALIVE);
    let both = read("esdb://here?userCertFile=a&userKeyFile=b");
    assert_eq!((both.certificate_file.as_deref(), both.key_file.as_deref()), (Some("a"), Some("b")));
    for wrong in
        ["tls=yes", "tlsVerifyCert", "keepAliveInterval=-2", "keepAliveTimeout=soon", "userCertFile=a"]
    {
        refused(&format!("esdb://here?{wrong}"));
    }
}
