{
    status: 'error',
    reason: 'unable to save data'
}
