/** Something on the server that belongs to a role. */
export interface Owned {
  /** The database that it is in, or that it is. Undefined for what belongs to the whole server otherwise. */
  readonly database: string | undefined;
  /** For a person: `table app.lots`. */
  readonly what: string;
}

/** A role, as the server has it. */
export interface RoleFacts {
  readonly name: string;
  readonly comment: string | undefined;
  readonly owns: readonly Owned[];
  /** The roles that it is a member of. */
  readonly roles: readonly string[];
  readonly login: boolean;
  readonly superuser: boolean;
  readonly createDatabase: boolean;
  readonly createRole: boolean;
  readonly inherit: boolean;
  readonly replication: boolean;
  readonly bypassRowLevelSecurity: boolean;
  readonly connectionLimit: number;
}

/** What is in a database: objects that somebody made, for a person to read, or why nobody could look. */
export type DatabaseContent =
  | {
      readonly kind: "seen";
      readonly objects: readonly string[];
      /** The owner of the schema in which converge keeps its history; undefined when it is not there. */
      readonly historyOwner: string | undefined;
    }
  | { readonly kind: "closed"; readonly reason: string };

/** A database, as the server has it. */
export interface DatabaseFacts {
  readonly name: string;
  readonly owner: string;
  readonly connectionLimit: number;
  readonly allowConnections: boolean;
  readonly isTemplate: boolean;
  readonly encoding: string;
  readonly lcCollate: string;
  readonly lcCtype: string;
  readonly tablespaceName: string;
  readonly content: DatabaseContent;
}

/** What a cell has of the names that were asked for. */
export interface CellFacts {
  /** The administrator that looked. */
  readonly admin: string;
  readonly roles: ReadonlyMap<string, RoleFacts>;
  readonly databases: ReadonlyMap<string, DatabaseFacts>;
}
