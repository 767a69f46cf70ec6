// Storage of the peer: one plain Map per model, never bounded, never written to disk.
//
// The adapter that oidc-provider brings along holds 1000 entries and would drop codes under load.
// This one does the least work that the provider's adapter interface allows.

const members = new Map(); // grant id -> the keys that a revocation of this grant has to delete

export class MapAdapter {
  constructor(model) {
    this.rows = new Map();
    this.byUid = new Map();
    this.hasGrantMembers = ['AccessToken', 'AuthorizationCode', 'RefreshToken'].includes(model);
  }

  async upsert(id, payload) {
    this.rows.set(id, payload);
    if (payload.uid) this.byUid.set(payload.uid, payload);
    if (this.hasGrantMembers && payload.grantId) {
      const ofGrant = members.get(payload.grantId);
      if (ofGrant) ofGrant.push([this.rows, id]);
      else members.set(payload.grantId, [[this.rows, id]]);
    }
  }

  async find(id) {
    return this.rows.get(id);
  }

  async findByUid(uid) {
    return this.byUid.get(uid);
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    this.rows.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [rows, id] of members.get(grantId) ?? []) rows.delete(id);
    members.delete(grantId);
  }
}
