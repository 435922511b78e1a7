// The tables of the usage index, and the questions to them. Only usage-sqlite.ts reads this.

/** A file of another version is made anew. */
export const schemaVersion = 2

/** Whether a text is no digest of what is here is told by `size`: null where only some manifest names it. */
export const schema = `
  CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('complete', 0), ('generation', 1), ('bytes', 0), ('blobs', 0);
  CREATE TABLE repositories(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE contents(id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, size INTEGER);
  CREATE TABLE entries(
    id INTEGER PRIMARY KEY,
    content INTEGER NOT NULL,
    repository INTEGER NOT NULL,
    is_manifest INTEGER NOT NULL,
    is_root INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    UNIQUE (content, repository)
  );
  CREATE INDEX by_use ON entries(used_at, id) WHERE is_root = 1;
  CREATE TABLE needs(
    parent INTEGER NOT NULL,
    content INTEGER NOT NULL,
    repository INTEGER NOT NULL,
    PRIMARY KEY (parent, content)
  ) WITHOUT ROWID;
  CREATE INDEX needed_by ON needs(content, repository, parent);
  CREATE TABLE tags(
    repository INTEGER NOT NULL,
    name TEXT NOT NULL,
    content INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
  ) WITHOUT ROWID;
  CREATE INDEX tags_of ON tags(content, repository);
  CREATE INDEX tags_by_use ON tags(used_at);
  CREATE TABLE pins(pattern TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TRIGGER came AFTER INSERT ON contents WHEN new.size IS NOT NULL BEGIN
    UPDATE meta SET value = value + new.size WHERE name = 'bytes';
    UPDATE meta SET value = value + 1 WHERE name = 'blobs';
  END;
  CREATE TRIGGER went AFTER DELETE ON contents WHEN old.size IS NOT NULL BEGIN
    UPDATE meta SET value = value - old.size WHERE name = 'bytes';
    UPDATE meta SET value = value - 1 WHERE name = 'blobs';
  END;
  CREATE TRIGGER changed AFTER UPDATE OF size ON contents WHEN old.size IS NOT new.size BEGIN
    UPDATE meta SET value = value - coalesce(old.size, 0) + coalesce(new.size, 0) WHERE name = 'bytes';
    UPDATE meta SET value = value - (old.size IS NOT NULL) + (new.size IS NOT NULL) WHERE name = 'blobs';
  END;
  PRAGMA user_version = ${schemaVersion};
`

const rootColumns = `e.id AS id, r.name AS repository, c.digest AS digest, e.is_manifest AS isManifest, e.used_at AS usedAt,
  e.content AS content, e.repository AS repositoryId,
  (SELECT json_group_array(t.name) FROM tags t WHERE t.content = e.content AND t.repository = e.repository) AS tags`
const rootTables = 'entries e JOIN repositories r ON r.id = e.repository JOIN contents c ON c.id = e.content'

function images(order: string): string {
  return `SELECT t.content AS content, t.repository AS repositoryId, r.name AS repository, t.name AS tag, c.digest AS digest,
      t.used_at AS usedAt FROM tags t JOIN repositories r ON r.id = t.repository JOIN contents c ON c.id = t.content
    WHERE instr(r.name || ':' || t.name, ?) > 0 ORDER BY ${order} LIMIT ? OFFSET ?`
}

const isElsewhere = (repository: string) =>
  `EXISTS (SELECT 1 FROM entries x WHERE x.content = c.id AND x.repository <> ${repository}) AS isElsewhere`

export const questions = {
  meta: 'SELECT value FROM meta WHERE name = ?',
  setMeta: 'UPDATE meta SET value = ? WHERE name = ?',
  repositoryId: 'SELECT id FROM repositories WHERE name = ?',
  addRepository: 'INSERT INTO repositories(name) VALUES (?) RETURNING id',
  contentId: 'SELECT id FROM contents WHERE digest = ?',
  addContent: 'INSERT INTO contents(digest, size) VALUES (?, NULL) RETURNING id',
  setSize: 'UPDATE contents SET size = ? WHERE id = ? AND size IS NOT ?',
  addEntry: `INSERT INTO entries(content, repository, is_manifest, is_root, used_at, seen) VALUES (?, ?, ?, ?, ?, (SELECT value FROM meta WHERE name = 'generation'))
    ON CONFLICT (content, repository) DO UPDATE SET used_at = max(used_at, excluded.used_at), seen = excluded.seen,
    is_manifest = max(is_manifest, excluded.is_manifest), is_root = CASE WHEN excluded.is_manifest THEN 1 ELSE is_root END
    RETURNING id`,
  isNeeded: 'SELECT 1 FROM needs WHERE content = ? AND repository = ? LIMIT 1',
  addNeed: 'INSERT OR IGNORE INTO needs(parent, content, repository) VALUES (?, ?, ?)',
  coverBlob: 'UPDATE entries SET is_root = 0 WHERE content = ? AND repository = ? AND is_manifest = 0',
  putTag: `INSERT INTO tags(repository, name, content, used_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (repository, name) DO UPDATE SET content = excluded.content, used_at = max(used_at, excluded.used_at)`,
  removeTag: 'DELETE FROM tags WHERE repository = ? AND name = ?',
  removeTagsOf: 'DELETE FROM tags WHERE content = ? AND repository = ?',
  entry: `SELECT e.id AS id, e.content AS content, e.repository AS repository, e.is_manifest AS isManifest FROM entries e
    WHERE e.content = (SELECT id FROM contents WHERE digest = ?) AND e.repository = (SELECT id FROM repositories WHERE name = ?)`,
  useBelow: `WITH RECURSIVE below(id) AS (
      VALUES (?1) UNION SELECT e.id FROM below b JOIN needs n ON n.parent = b.id
      JOIN entries e ON e.content = n.content AND e.repository = ?2 AND e.is_manifest = 1)
    UPDATE entries SET used_at = max(used_at, ?3) WHERE id IN below`,
  removeEntry: 'DELETE FROM entries WHERE id = ?',
  needsOf: 'SELECT content FROM needs WHERE parent = ?',
  removeNeeds: 'DELETE FROM needs WHERE parent = ?',
  looseAmong: `UPDATE entries SET is_root = 1 WHERE content = ?1 AND repository = ?2 AND is_manifest = 0 AND NOT EXISTS (
    SELECT 1 FROM needs WHERE content = ?1 AND repository = ?2)`,
  hasEntries: 'SELECT 1 FROM entries WHERE content = ? LIMIT 1',
  hasNeeds: 'SELECT 1 FROM needs WHERE content = ? LIMIT 1',
  removeContent: 'DELETE FROM contents WHERE id = ?',
  oldest: `SELECT ${rootColumns} FROM ${rootTables} WHERE e.is_root = 1 AND (e.used_at, e.id) > (?, ?) ORDER BY e.used_at, e.id LIMIT ?`,
  root: `SELECT ${rootColumns} FROM ${rootTables} WHERE c.digest = ? AND r.name = ?`,
  parents: `WITH RECURSIVE above(id, content) AS (
      SELECT p.id, p.content FROM needs n JOIN entries p ON p.id = n.parent WHERE n.content = ?1 AND n.repository = ?2
      UNION SELECT p.id, p.content FROM above a JOIN needs n ON n.content = a.content AND n.repository = ?2
      JOIN entries p ON p.id = n.parent)
    SELECT c.digest AS digest, (SELECT json_group_array(t.name) FROM tags t WHERE t.content = a.content AND t.repository = ?2) AS tags
    FROM above a JOIN contents c ON c.id = a.content`,
  // Not how many others there are, but whether there is one: a base layer has thousands.
  removed: `SELECT e.id AS id, e.content AS content, e.repository AS repository, c.size AS size, ${isElsewhere('e.repository')}
    FROM contents c JOIN entries e ON e.content = c.id AND e.repository = (SELECT id FROM repositories WHERE name = ?2)
    WHERE c.digest = ?1`,
  blobsBelow: `SELECT c.id AS content, c.digest AS digest, c.size AS size, ${isElsewhere('?2')},
      EXISTS (SELECT 1 FROM needs m WHERE m.content = c.id AND m.repository = ?2 AND m.parent <> ?1) AS isNeeded
    FROM needs n JOIN contents c ON c.id = n.content JOIN entries e ON e.content = c.id AND e.repository = ?2 AND e.is_manifest = 0
    WHERE n.parent = ?1`,
  linksTo: 'SELECT count(*) AS count FROM entries WHERE content = ?',
  needsFor: 'SELECT count(*) AS count FROM needs WHERE content = ? AND repository = ?',
  tag: `SELECT c.digest AS digest FROM tags t JOIN contents c ON c.id = t.content
    WHERE t.repository = (SELECT id FROM repositories WHERE name = ?) AND t.name = ?`,
  repositoriesOf: `SELECT r.name AS name FROM entries e JOIN repositories r ON r.id = e.repository
    WHERE e.content = (SELECT id FROM contents WHERE digest = ?)`,
  unseen: `SELECT c.digest AS digest, r.name AS repository FROM ${rootTables} WHERE e.seen < (SELECT value FROM meta WHERE name = 'generation') LIMIT ?`,
  imagesUsed: images('t.used_at DESC'),
  imagesOldest: images('t.used_at'),
  imagesByName: images('r.name, t.name'),
  untagged: `SELECT e.content AS content, e.repository AS repositoryId, r.name AS repository, c.digest AS digest, e.used_at AS usedAt
    FROM (SELECT * FROM entries WHERE is_root = 1 ORDER BY used_at DESC LIMIT 2000) e
    JOIN repositories r ON r.id = e.repository JOIN contents c ON c.id = e.content
    WHERE e.is_manifest = 1 AND instr(r.name || '@' || c.digest, ?) > 0
      AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.content = e.content AND t.repository = e.repository)
      AND NOT EXISTS (SELECT 1 FROM needs n JOIN entries p ON p.id = n.parent WHERE n.content = e.content AND p.repository = e.repository)`,
  bytesBelow: `WITH RECURSIVE below(content) AS (
      VALUES (?1) UNION SELECT n.content FROM below b JOIN entries e ON e.content = b.content AND e.repository = ?2
      JOIN needs n ON n.parent = e.id)
    SELECT coalesce(sum(c.size), 0) AS bytes FROM below b JOIN contents c ON c.id = b.content`,
  pins: 'SELECT pattern FROM pins ORDER BY pattern',
  pin: 'INSERT OR IGNORE INTO pins VALUES (?)',
  unpin: 'DELETE FROM pins WHERE pattern = ?',
} as const
