//! Keys that ssh-agent holds.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_trust::agent::{AgentKey, AgentSelector, identities};
use amiforge_trust::signing::{SignerError, SigningKey as _};
use amiforge_trust::sshsig::{BUNDLE, sign};

use crate::oracle::{Keys, ready};

/// An agent, ended when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn start(keys: &Keys) -> Self {
        let child =
            Command::new("ssh-agent").args(["-D", "-a", &keys.text("agent")]).stdout(Stdio::null()).spawn();
        let agent = Self(child.unwrap());
        let begun = Instant::now();
        while !keys.path("agent").exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the agent does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        agent
    }
}

#[test]
fn an_agent_signs_with_each_of_its_keys() {
    if !ready(&["ssh-agent", "ssh-add", "ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    let _agent = Agent::start(&keys);
    let socket = keys.path("agent");
    let none = AgentKey::find_at(&socket, &AgentSelector::Only).unwrap_err();
    assert!(matches!(none, SignerError::AgentKey { count: 0, .. }), "{none:?}");
    for (name, key) in keys.each() {
        let add =
            Command::new("ssh-add").env("SSH_AUTH_SOCK", &socket).arg(keys.text(&name)).output().unwrap();
        assert!(add.status.success(), "{add:?}");
        let public = key.public();
        for selector in [
            AgentSelector::Named(public.fingerprint()),
            AgentSelector::Named(format!("the key {name}")),
            AgentSelector::Public(public.clone()),
        ] {
            let held = AgentKey::find_at(&socket, &selector).unwrap();
            assert_eq!(held.public(), public);
            let signed = sign(&held, BUNDLE, b"message").unwrap();
            keys.allow(public);
            assert!(keys.accepts(BUNDLE, signed.to_armour().as_bytes(), b"message"), "{name}");
            public.verify(b"message", &held.sign(b"message").unwrap()).unwrap();
        }
    }
    assert_eq!(identities(&socket).unwrap().len(), 6);
    let several = AgentKey::find_at(&socket, &AgentSelector::Only).unwrap_err();
    let SignerError::AgentKey { count: 6, available, .. } = several else { panic!("{several:?}") };
    assert!(available[0].starts_with("SHA256:") && available[0].ends_with(" the key key-0"), "{available:?}");
    // A locked agent shows no key.
    let nobody = AgentKey::find_at(&keys.path("nothing"), &AgentSelector::Only).unwrap_err();
    assert!(matches!(nobody, SignerError::Agent { .. }), "{nobody:?}");
}
