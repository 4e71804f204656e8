// The server only hands out files: every page is made in the browser.
export const ssr = false;
export const prerender = false;
export const trailingSlash = 'never';
