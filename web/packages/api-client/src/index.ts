/** The public API as the server describes it in openapi.json. `schema.d.ts` is made by `npm run gen`; nothing is written by hand. */
import createClient, { type Client, type ClientOptions } from 'openapi-fetch';
import type { components, paths } from './schema';

export type { components, operations, paths } from './schema';
export type { Middleware } from 'openapi-fetch';

type Schemas = components['schemas'];

/** A value that the API answers with, by its name in openapi.json. */
export type Model<Name extends keyof Schemas> = Schemas[Name];

/** A client whose calls are checked against openapi.json. */
export type Api = Client<paths>;

export function createApi(options: ClientOptions): Api {
	return createClient<paths>(options);
}
