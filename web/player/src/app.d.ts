declare global {
	namespace App {
		interface Error {
			message: string;
		}

		interface PageState {
			/** What the page before has to tell. */
			message?: string;
		}
	}
}

export {};
