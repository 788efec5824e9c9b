{
    status: 'OK',
    paid: true,
    error: 'No available number, payment request is canceled. Your funds are returned to your wallet automatically.'
}
