/** Whether all is wanted of which `npm test` takes a sample that its seed decides: `npm run test:whole`. */
export const isWhole = process.env['LIFEBOAT_TEST_EXTENT'] === 'whole';
